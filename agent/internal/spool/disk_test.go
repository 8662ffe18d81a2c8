package spool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lucid.internal/shared/wire"
)

// files are the segments on disk.
func files(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "node_test", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	q := queue(t, dir, 0, 0)
	play(t, q, "p1 p2 s p3 s h a h p4")
	q.Close() // p4 was in memory only
	q = queue(t, dir, 0, 0)
	if s := q.Stats(); s.Messages != 3 || s.Samples != 3 || s.DroppedSamples != 0 {
		t.Errorf("after the restart %+v", s)
	}
	select {
	case <-q.Ready():
	default:
		t.Error("nobody is told of what waits")
	}
	play(t, q, "p5 s")
	// 1 was accepted, but its file holds 2 as well: it is sent again.
	if got := take(t, q); got != "1 2 3 5" {
		t.Errorf("after the restart came %s", got)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("accepted, yet still there: %v", left)
	}
}

// TestTruncatedAnywhere cuts a segment at every byte, as a power cut may.
func TestTruncatedAnywhere(t *testing.T) {
	whole := segmentOf(t, "p1 P2 p3")
	records := intact(whole)
	for size := range len(whole) {
		var want []string
		for end := 0; len(want) < len(records) && end+len(records[len(want)]) <= size; {
			end += len(records[len(want)])
			want = append(want, fmt.Sprint(len(want)+1))
		}
		lost := uint64(len(records) - len(want))
		dir := t.TempDir()
		lay(t, dir, "0000000000000000-3-3.spool", whole[:size])
		q := queue(t, dir, 0, 0)
		play(t, q, "p9")
		if got := take(t, q); got != strings.Join(append(want, "9"), " ") {
			t.Fatalf("cut at %d of %d: %q came, want %v and 9", size, len(whole), got, want)
		}
		if s := q.Stats(); s.DroppedSamples != lost {
			t.Fatalf("cut at %d: %d counted as lost, want %d", size, s.DroppedSamples, lost)
		}
	}
}

// TestAnyFlippedBit flips every bit of a segment: the records that it does not
// hit must come.
func TestAnyFlippedBit(t *testing.T) {
	whole := segmentOf(t, "p1 P2 p3")
	var owner []int // of each byte
	for i, r := range intact(whole) {
		owner = append(owner, slices.Repeat([]int{i + 1}, len(r))...)
	}
	if len(owner) != len(whole) {
		t.Fatalf("%d of %d bytes belong to a record", len(owner), len(whole))
	}
	for i := range whole {
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			want := slices.DeleteFunc([]int{1, 2, 3}, func(seq int) bool { return seq == owner[i] })
			var got []int
			for _, r := range intact(damaged) {
				m, err := r.message()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, int(m.LastSeq))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("bit %d of byte %d flipped: %v came, want %v", bit, i, got, want)
			}
		}
	}
}

func TestStrangeFolders(t *testing.T) {
	outside := t.TempDir()
	lay(t, outside, "0000000000000000-1-1.spool", segmentOf(t, "p1"))
	for name, c := range map[string]struct {
		lay  func(dir string) error
		fail bool
	}{
		"not there":            {func(dir string) error { return os.Remove(dir) }, false},
		"the folder is a file": {func(dir string) error { os.Remove(dir); return os.WriteFile(dir, nil, 0o600) }, true},
		"the folder is a link": {func(dir string) error { os.Remove(dir); return os.Symlink(outside, dir) }, true},
		"the node's is a link": {func(dir string) error {
			return os.Symlink(filepath.Join(outside, "node_test"), filepath.Join(dir, "node_test"))
		}, true},
		"a segment is a link": {func(dir string) error { return link(dir, outside) }, false},
		"a segment is a folder": {func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, "node_test", "0000000000000000-1-1.spool"), 0o700)
		}, false},
		"a file of another kind":    {func(dir string) error { lay(t, dir, "notes.txt", []byte("hello")); return nil }, false},
		"an empty segment":          {func(dir string) error { lay(t, dir, "0000000000000000-1-1.spool", nil); return nil }, false},
		"a name with huge numbers":  {func(dir string) error { lay(t, dir, "ffffffffffffffff-99999999999999999999-1.spool", nil); return nil }, false},
		"a segment of random bytes": {func(dir string) error { lay(t, dir, "0000000000000005-1-1.spool", noise(4096)); return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := c.lay(dir); err != nil {
				t.Fatal(err)
			}
			q, err := Open(Config{Dir: dir, NodeID: "node_test"})
			if (err != nil) != c.fail {
				t.Errorf("error %v, want one: %v", err, c.fail)
			}
			play(t, q, "p5 p6 h s a")
			if got := take(t, q); got != "6" {
				t.Errorf("%q came, want 6 alone", got)
			}
		})
	}
	if left := files(t, outside); len(left) != 1 {
		t.Errorf("through a link something was deleted: %v are left", left)
	}
}

func link(dir, outside string) error {
	if err := os.Mkdir(filepath.Join(dir, "node_test"), 0o700); err != nil {
		return err
	}
	const name = "0000000000000000-1-1.spool"
	return os.Symlink(filepath.Join(outside, "node_test", name), filepath.Join(dir, "node_test", name))
}

func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// TestOtherNode: what was measured as another node is not sent as this one.
func TestOtherNode(t *testing.T) {
	dir := t.TempDir()
	q, err := Open(Config{Dir: dir, NodeID: "node_before"})
	if err != nil {
		t.Fatal(err)
	}
	play(t, q, "p1 s")
	q.Close()
	q = queue(t, dir, 0, 0)
	play(t, q, "p2")
	if got := take(t, q); got != "2" {
		t.Errorf("%q came, want 2 alone", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_before")); !os.IsNotExist(err) {
		t.Errorf("what nobody can take any more is still there (%v)", err)
	}
}

// TestDiskFails: a disk that takes nothing costs nothing that memory can hold,
// and is used again once it works.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	q := queue(t, dir, 3*smallRecord, 0)
	play(t, q, "p1 p2 s p3")
	node := filepath.Join(dir, "node_test")
	away := node + ".away" // else the path would lead to a new folder
	if err := os.Rename(node, away); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(away); err != nil { // the open folder is gone: nothing can be made in it
		t.Fatal(err)
	}
	if err := q.Spill(); err == nil {
		t.Error("a folder that is gone took a segment")
	}
	play(t, q, "p4 p5 p6") // the newest three stay
	// 1 and 2 stayed in memory as the head of the queue; 3 was pushed out.
	if got := take(t, q); got != "1 2 4 5 6" {
		t.Errorf("%q came, want 1 2 4 5 6", got)
	}
}

// TestDiskFailsAtItsLimit: what lies on a disk that is full by its limit goes
// only for what was written in its place.
func TestDiskFailsAtItsLimit(t *testing.T) {
	dir := t.TempDir()
	q := queue(t, dir, 0, 2*smallRecord)
	play(t, q, "p1 s p2 s p3")
	inTheWay := filepath.Join(dir, "node_test", "0000000000000002-1-1.spool")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := q.Spill(); err == nil {
		t.Fatal("a segment was written over a folder")
	}
	if s := q.Stats(); s.Messages != 3 || s.DroppedSamples != 0 {
		t.Errorf("after a write that failed %+v, want all three", s)
	}
	play(t, q, "s") // under the next number
	if s := q.Stats(); s.Messages != 2 || s.DroppedSamples != 1 || s.DiskBytes > 2*smallRecord {
		t.Errorf("after a write that worked %+v, want two within the limit", s)
	}
	if got := take(t, q); got != "2 3" {
		t.Errorf("%q came, want 2 3", got)
	}
}

// TestWhileSpilling lets three goroutines do what the agent's do, and checks
// that everything comes once and in order. The race detector looks on.
func TestWhileSpilling(t *testing.T) {
	q := queue(t, t.TempDir(), 0, 0)
	const most = 500
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for seq := uint64(1); seq <= most; seq++ {
			q.Put(message(seq, small))
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := q.Spill(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for want := uint64(1); want <= most; {
		m, ok := q.Next()
		if !ok {
			<-q.Ready()
			continue
		}
		if m.LastSeq != want {
			t.Errorf("%d came, want %d", m.LastSeq, want)
			break
		}
		q.Accept()
		want++
	}
	close(stop)
	wg.Wait()
	if s := q.Stats(); s.DroppedSamples != 0 || s.Messages != 0 {
		t.Errorf("at the end %+v", s)
	}
}

// budgetDay is what a day offline may write, in bytes of content, and
// budgetFiles in how many files: about three blocks of 4 KiB each with the
// folder's and the journal's own.
const (
	budgetDay   = 2 << 20
	budgetFiles = 96
)

// TestDayOffline counts what a day without a connection writes, at the
// default intervals with messages of a Pi's size, and that a day online
// writes nothing.
func TestDayOffline(t *testing.T) {
	dir := t.TempDir()
	q := queue(t, dir, 0, 0)
	for minute := range 24 * 60 {
		q.Put(realistic(uint64(minute)))
		if minute%15 == 14 {
			play(t, q, "s")
		}
	}
	s := q.Stats()
	t.Logf("a day offline: %d bytes in %d files for %d messages; %d bytes in memory", s.DiskBytes, len(files(t, dir)), s.Messages, s.MemoryBytes)
	if s.DiskBytes > budgetDay || s.WrittenBytes != s.DiskBytes || len(files(t, dir)) > budgetFiles || s.Messages != 24*60 {
		t.Errorf("beyond the budget of %d bytes in %d files: %+v", budgetDay, budgetFiles, s)
	}
	if days := DefaultDiskBytes / s.DiskBytes; days < 12 {
		t.Errorf("the disk's limit holds %d days, want 12", days)
	}
	online := t.TempDir()
	q = queue(t, online, 0, 0)
	for minute := range 24 * 60 {
		q.Put(realistic(uint64(minute)))
		play(t, q, "h a")
		if q.Waited() > 0 {
			t.Fatal("an accepted message waits")
		}
	}
	if s := q.Stats(); s.WrittenBytes != 0 || len(files(t, online)) != 0 {
		t.Errorf("a day online wrote %d bytes, and left %v", s.WrittenBytes, files(t, online))
	}
}

// realistic is a message of six samples, with figures that change as a Pi's do.
func realistic(minute uint64) Message {
	random := rand.New(rand.NewPCG(minute, 1))
	m := wire.Metrics{V: 1, Run: testRun}
	p := func(f float64) *float64 { return &f }
	for i := range uint64(6) {
		seq := minute*6 + i + 1
		traffic := seq*1e5 + random.Uint64N(1e5)
		m.Samples = append(m.Samples, wire.Sample{
			Seq: seq, AtMs: 1767323045000 + int64(seq)*10_000 + random.Int64N(20),
			CPU: &wire.CPU{UsagePercent: p(float64(random.IntN(100000)) / 1000), Cores: 4, FrequencyMHz: p(1500),
				LoadAverage: [3]float64{0.31, 0.28, 0.2}, TemperatureCelsius: p(45 + float64(random.IntN(100))/10),
				PerCore: []float64{random.Float64(), random.Float64(), random.Float64(), random.Float64()}},
			Memory: &wire.Memory{TotalBytes: 4 << 30, UsedBytes: random.Uint64N(4 << 30), FreeBytes: random.Uint64N(4 << 30), AvailableBytes: random.Uint64N(4 << 30)},
			Disk: &wire.Disk{TotalBytes: 32 << 30, UsedBytes: 9<<30 + random.Uint64N(1<<20), FreeBytes: 20 << 30, WriteIOPS: p(random.Float64()),
				Filesystems: []wire.Filesystem{{Mount: "/", TotalBytes: 32 << 30, UsedBytes: 9 << 30}, {Mount: "/boot/firmware", TotalBytes: 512 << 20}}},
			Network: &wire.Network{Interfaces: []wire.Interface{{Name: "eth0"}, {Name: "wlan0"}}, TotalBytesIn: traffic, TotalBytesOut: traffic / 3, PacketsIn: traffic / 900, PacketsOut: traffic / 1100},
		})
	}
	payload, _ := json.Marshal(m)
	return Message{Run: testRun, LastSeq: m.LastSeq(), Samples: 6, Payload: payload}
}

// segmentOf gives the bytes that a script's first spill writes.
func segmentOf(t testing.TB, script string) []byte {
	t.Helper()
	dir := t.TempDir()
	play(t, queue(t, dir, 0, 0), script+" s")
	content, err := os.ReadFile(files(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func lay(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	folder := filepath.Join(dir, "node_test")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzIntact: whatever lies in a segment, what is found is whole, and a
// record behind it is always found.
func FuzzIntact(f *testing.F) {
	whole := segmentOf(f, "p1 P2 p3")
	f.Add(whole)
	f.Add([]byte("LUSP"))
	f.Add(append([]byte("LUSPLUSP"), whole...))
	last := newRecord(message(77, small), nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		found := intact(append(bytes.Clone(b), last...))
		for _, r := range found {
			_, _ = r.message()
		}
		// A record in b whose length reaches into the last one has a checksum
		// that is wrong; none can be made to fit by chance.
		if n := len(found); n == 0 || !bytes.Equal(found[n-1], last) {
			t.Errorf("the intact record behind %x is not found", b)
		}
	})
}
