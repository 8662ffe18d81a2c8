package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/proof"
)

// fleet is a database with more secrets than a batch, and programs on it.
type fleet struct {
	*testing.T
	pool *db.Pool
	file string // of the first program
}

const manySecrets = resealBatch + 20

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{T: t, pool: dbtest.New(t), file: filepath.Join(t.TempDir(), "master.key")}
	r := f.ring(f.file)
	for i := range manySecrets {
		name := fmt.Sprint("secret ", i)
		if _, err := f.pool.Exec(t.Context(), "INSERT INTO sealed_secret (name, box) VALUES ($1, $2)", name, r.Box.Seal([]byte(name), place(name))); err != nil {
			t.Fatal(err)
		}
	}
	f.must(r.Close(t.Context()))
	return f
}

func (f *fleet) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fleet) ring(file string) *Ring {
	f.Helper()
	r, err := OpenRing(f.Context(), f.pool, Source{Path: file})
	f.must(err)
	return r
}

// run is a program on the ring until the test ends: it looks after its keys,
// and reads and writes secrets all the time.
func (f *fleet) run(r *Ring, name string) {
	ctx, stop := context.WithCancel(context.Background())
	var program sync.WaitGroup
	f.Cleanup(func() { stop(); program.Wait() })
	program.Go(func() {
		store := NewStore(f.pool, r.Box)
		for i := 0; ctx.Err() == nil; i++ {
			own := fmt.Sprint(name, " ", i)
			got, err := store.Secret(ctx, "secret 7", random40)
			if err == nil && string(got) != "secret 7" {
				err = fmt.Errorf("secret 7 is %q", got)
			}
			if err == nil {
				_, err = store.Secret(ctx, own, random40)
			}
			if err = errors.Join(err, r.RunOnce(ctx)); err != nil && ctx.Err() == nil {
				f.Errorf("%s: %v", name, err)
				return
			}
		}
	})
}

func random40() ([]byte, error) { return bytes.Repeat([]byte("x"), 40), nil }

// rotate is a whole run of the command.
func (f *fleet) rotate(ctx context.Context, tell func(string)) error {
	r := f.ring(f.file)
	defer func() { f.must(r.Close(f.Context())) }()
	rotation := f.rotation(r)
	rotation.Tell = tell
	return rotation.Run(ctx)
}

func (f *fleet) rotation(r *Ring) Rotation {
	return Rotation{Ring: r, Tables: []Table{SecretTable()}, By: audit.By{Actor: audit.CLI}, Tell: func(string) {}, poll: time.Millisecond}
}

// wantRotated wants that all lies under the one key of the file, and that old
// opens none of it.
func (f *fleet) wantRotated(old proof.Key, files ...string) {
	f.Helper()
	present := f.keyIn(f.file)
	if present == old {
		f.Error("the key is the old one")
	}
	for _, file := range files {
		if f.keyIn(file) != present {
			f.Errorf("%s holds another key", file)
		}
	}
	rows, err := f.pool.Query(f.Context(), "SELECT name, box FROM sealed_secret")
	f.must(err)
	defer rows.Close()
	count := 0
	for rows.Next() {
		var name string
		var box []byte
		f.must(rows.Scan(&name, &box))
		count++
		if _, err := New(present).Open(box, place(name)); err != nil {
			f.Errorf("%s under the new key: %v", name, err)
		}
		if _, err := New(old).Open(box, place(name)); !errors.Is(err, ErrOtherKey) {
			f.Errorf("%s under the old key: %v", name, err)
		}
	}
	if f.must(rows.Err()); count < manySecrets {
		f.Errorf("%d secrets, want at least %d", count, manySecrets)
	}
	var entries int
	f.must(f.pool.QueryRow(f.Context(), "SELECT count(*) FROM audit_entry WHERE action = 'master_key.rotate'").Scan(&entries))
	if entries != 1 {
		f.Errorf("%d audit entries, want 1", entries)
	}
}

func (f *fleet) keyIn(file string) proof.Key {
	f.Helper()
	key, err := loadOne(file)
	f.must(err)
	return key
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestMasterKeyIsRotatedWhileTwoProgramsReadAndWrite(t *testing.T) {
	f := newFleet(t)
	old, other := f.keyIn(f.file), filepath.Join(t.TempDir(), "master.key")
	copyFile(t, f.file, other)
	f.run(f.ring(f.file), "first")
	f.run(f.ring(other), "second")
	var waited bool
	err := f.rotate(t.Context(), func(line string) {
		if strings.Contains(line, "copy master.key there") {
			waited = true
			if n := f.countUnder(f.keysIn(f.file)[1]); n != 0 {
				t.Errorf("%d secrets are sealed under a key that one of the programs has not", n)
			}
			copyFile(t, f.file, other)
		}
	})
	f.must(err)
	if !waited {
		t.Error("it did not wait for the program without the new key")
	}
	f.await(func() bool { keys, err := readMasters(other); return err == nil && len(keys) == 1 })
	f.wantRotated(old, other)
}

func (f *fleet) keysIn(file string) []proof.Key {
	f.Helper()
	keys, err := readMasters(file)
	f.must(err)
	return keys
}

func (f *fleet) countUnder(key proof.Key) (n int) {
	f.Helper()
	f.must(f.pool.QueryRow(f.Context(), "SELECT count(*) FROM sealed_secret WHERE get_byte(box, 0) = $1", int(idOf(key))).Scan(&n))
	return n
}

// await looks again and again until it is so.
func (f *fleet) await(so func() bool) {
	f.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-f.Context().Done():
			f.Fatal("the test ended before it was so")
		}
	}
}

// Cut at each thing that it tells of, it goes on when it is run again.
func TestRotationGoesOnWhereItWasCut(t *testing.T) {
	for cut := 1; ; cut++ {
		f := newFleet(t)
		old := f.keyIn(f.file)
		ctx, interrupt := context.WithCancel(t.Context())
		told := 0
		err := f.rotate(ctx, func(string) {
			if told++; told == cut {
				interrupt()
			}
		})
		interrupt()
		if told < cut {
			f.must(err)
			if cut < 4 {
				t.Errorf("it tells of %d things only", told)
			}
			return
		}
		f.run(f.ring(f.file), "meanwhile") // whatever the state, programs start and run
		if f.entries() == 0 {
			f.must(f.rotate(t.Context(), func(string) {}))
		}
		f.await(func() bool { return len(f.keysIn(f.file)) == 1 })
		f.wantRotated(old)
	}
}

func (f *fleet) entries() (n int) {
	f.must(f.pool.QueryRow(f.Context(), "SELECT count(*) FROM audit_entry WHERE action = 'master_key.rotate'").Scan(&n))
	return n
}

func TestSecondRotationAtOnceIsRefused(t *testing.T) {
	f := newFleet(t)
	first := true
	err := f.rotate(t.Context(), func(string) {
		if first {
			first = false
			if err := f.rotate(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "by another program") {
				t.Errorf("a second one: %v", err)
			}
		}
	})
	f.must(err)
}

// The old key is nowhere afterwards: who has backups hears it while it still is.
func TestRotationSaysFirstWhatBackupsNeed(t *testing.T) {
	f := newFleet(t)
	old, err := os.ReadFile(f.file)
	f.must(err)
	var first string
	f.must(f.rotate(t.Context(), func(line string) {
		if first != "" {
			return
		}
		first = line
		if present, err := os.ReadFile(f.file); err != nil || !bytes.Equal(present, old) {
			t.Errorf("it began before it said so: %v", err)
		}
	}))
	if !strings.Contains(first, "backups from before need the old master key") || !strings.Contains(first, "keep a copy of "+f.file) {
		t.Errorf("it says first: %s", first)
	}
}

// Which key lacks depends on which of the two is older, the file or the database.
func TestLackingKeyNamesBothPossibilities(t *testing.T) {
	for _, want := range []string{"older backup", "from before", "copy master.key from the coordinator where that was done"} {
		if !strings.Contains(ErrLacksKey.Error(), want) {
			t.Errorf("%q does not say %q", ErrLacksKey, want)
		}
	}
}

// A program that slept through a rotation cannot bring the old key back.
func TestProgramThatSleptIsRefusedByTheDatabase(t *testing.T) {
	f := newFleet(t)
	other := filepath.Join(t.TempDir(), "master.key")
	copyFile(t, f.file, other)
	asleep := f.ring(other)
	if _, err := f.pool.Exec(t.Context(), "UPDATE seal_holder SET seen_at = now() - interval '1m'"); err != nil {
		t.Fatal(err)
	}
	f.must(f.rotate(t.Context(), func(string) {}))
	if _, err := NewStore(f.pool, asleep.Box).Secret(t.Context(), "late", random40); err == nil || !strings.Contains(err.Error(), "rotated away") {
		t.Errorf("sealed under the old key: %v", err)
	}
	if err := asleep.RunOnce(t.Context()); !errors.Is(err, ErrLacksKey) {
		t.Errorf("awake again: %v, want ErrLacksKey", err)
	}
	if _, err := OpenRing(t.Context(), f.pool, Source{Path: other}); !errors.Is(err, ErrLacksKey) {
		t.Errorf("started with the old key: %v, want ErrLacksKey", err)
	}
	copyFile(t, f.file, other)
	f.must(asleep.RunOnce(t.Context()))
	_, err := NewStore(f.pool, asleep.Box).Secret(t.Context(), "late", random40)
	f.must(err)
}

func TestKeysOfTheSettingsAreRotatedByWhoSetsThem(t *testing.T) {
	f := newFleet(t)
	old, next := f.keyIn(f.file), proof.Key{5}
	for idOf(next) == idOf(old) {
		next[0]++
	}
	rotate := func(keys ...proof.Key) error {
		r, err := OpenRing(t.Context(), f.pool, Source{Keys: keys})
		f.must(err)
		defer func() { f.must(r.Close(t.Context())) }()
		return Rotation{Ring: r, Tables: []Table{SecretTable()}, By: audit.By{Actor: audit.CLI}, Tell: func(string) {}, poll: time.Millisecond}.Run(t.Context())
	}
	if err := rotate(old); err == nil || !strings.Contains(err.Error(), "holds no key but the present one") {
		t.Errorf("with one key: %v", err)
	}
	f.must(rotate(old, next))
	if n := f.countUnder(next); n < manySecrets {
		t.Errorf("%d secrets under the new key", n)
	}
	r, err := OpenRing(t.Context(), f.pool, Source{Keys: []proof.Key{next}})
	f.must(err)
	if key, err := r.Sealing(); err != nil || key != next {
		t.Errorf("the new key alone: %v", err)
	}
}
