package agent

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/agent/internal/prove"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestRestartWithoutConnectionLosesNothing stops an agent that cannot reach
// its coordinator: the next one delivers what it left, first and byte for
// byte, and does not take it for its own run's.
func TestRestartWithoutConnectionLosesNothing(t *testing.T) {
	n := newNetwork(t, nil)
	n.broker.Close()
	n.prepare = func(a *Agent) {
		for range 3 {
			a.recorder.record(wire.Sample{})
		}
	}
	first, stop := n.start()
	stop()
	report, err := ReadReport(n.config.StatusFile)
	if err != nil || report.SpoolBytes == 0 || report.SamplesWaiting != 3 || report.SpoolError != "" {
		t.Fatalf("report = %+v, %v", report, err)
	}

	n.broker = coordtest.NewBroker(t, n.settings)
	n.config.PublishInterval = 4 * time.Minute // nothing but what is queued here
	n.config.reportEvery = 10 * time.Millisecond
	n.prepare = func(a *Agent) {
		a.recorder.record(wire.Sample{})
		a.recorder.flush()
	}
	second, _ := n.start()
	left, err := wire.DecodeMetrics(n.next(wire.ChannelMetrics).Payload)
	if err != nil || left.Run != first.recorder.run || left.FirstSeq() != 1 || left.LastSeq() != 3 {
		t.Fatalf("first came %+v, %v; want samples 1 to 3 of run %s", left, err, first.recorder.run)
	}
	payload := n.next(wire.ChannelMetrics).Payload
	own, err := wire.DecodeMetrics(payload)
	if err != nil || own.Run != second.recorder.run || own.FirstSeq() != 1 {
		t.Fatalf("then came %+v, %v; want sample 1 of run %s", own, err, second.recorder.run)
	}
	n.reported(func(r *Report) bool { return r.SpoolBytes == 0 && r.MessagesWaiting == 0 })
	want := prove.Progress{Run: second.recorder.run, Seq: 1, Chain: proof.ChainNext([32]byte{}, payload)}
	if got := second.journal.acknowledged(); got != want {
		t.Errorf("proofs speak of %+v, want %+v", got, want)
	}
}

// TestBacklogGoesOutInAWindow: of many messages a few are on their way at once,
// and all that were not acknowledged come again in order, byte for byte.
func TestBacklogGoesOutInAWindow(t *testing.T) {
	var answering atomic.Bool
	n := newNetworkWith(t, coordtest.BrokerConfig{Mute: func(p coordtest.Publication) bool {
		return p.Topic == wire.Topic(testNode, wire.ChannelMetrics) && !answering.Load()
	}})
	const messages = wire.MaxUnacknowledged + 4
	n.config.PublishInterval = 4 * time.Minute // nothing but what is queued here
	n.config.reportEvery = 10 * time.Millisecond
	n.prepare = func(a *Agent) {
		for range messages {
			a.recorder.record(wire.Sample{})
			a.recorder.flush()
		}
	}
	n.start()
	var first [][]byte
	for range wire.MaxUnacknowledged {
		first = append(first, n.next(wire.ChannelMetrics).Payload)
	}
	answering.Store(true)
	n.broker.Kick(testNode)
	for i := range messages {
		again := n.next(wire.ChannelMetrics).Payload
		if m, err := wire.DecodeMetrics(again); err != nil || m.FirstSeq() != uint64(i+1) {
			t.Fatalf("message %d came as %+v, %v", i+1, m, err)
		}
		if i < len(first) && !bytes.Equal(again, first[i]) {
			t.Errorf("message %d came again with other bytes", i+1)
		}
	}
	n.reported(func(r *Report) bool { return r.MessagesWaiting == 0 })
}

// TestLongOfflineGoesToDisk: what has waited long is on disk before anybody
// stops the agent.
func TestLongOfflineGoesToDisk(t *testing.T) {
	n := newNetwork(t, nil)
	n.broker.Close()
	n.config.spillAfter, n.config.reportEvery = 15*time.Millisecond, 10*time.Millisecond
	n.start()
	n.reported(func(r *Report) bool { return r.SpoolBytes > 0 })
}

// TestOnlineWritesNothingToDisk lets an agent deliver and end: not a byte went
// into its spool, and nothing in its state folder was touched, which what is
// written and removed again would do to its folder's time.
func TestOnlineWritesNothingToDisk(t *testing.T) {
	n := newNetwork(t, nil)
	begun := time.Now()
	n.config.Now = func() time.Time { return begun } // no message waits, however slow this machine is
	n.config.spillAfter = 15 * time.Millisecond
	a, stop := n.start()
	n.next(wire.ChannelMetrics)
	before := changes(t, n.config.StateDir)
	for range 3 {
		n.next(wire.ChannelMetrics)
	}
	stop()
	n.wantUntouched(a, before)
}

// TestDeliveredMessagesNeverGoToDisk: what is acknowledged no longer waits,
// however much time passes then.
func TestDeliveredMessagesNeverGoToDisk(t *testing.T) {
	n := newNetwork(t, nil)
	begun := time.Now()
	var passed atomic.Int64
	n.config.Now = func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	n.config.PublishInterval = 4 * time.Minute // nothing but what is queued here
	n.config.spillAfter = 15 * time.Millisecond
	a, stop := n.start()
	r := newRecorder(a.queue, n.config.Now, newClock(n.config.Root, n.config.Now))
	deliver := func() {
		t.Helper()
		r.record(wire.Sample{})
		r.flush()
		n.next(wire.ChannelMetrics)
		select {
		case <-a.delivered:
		case <-n.ctx.Done():
			t.Fatal("the message was not taken as acknowledged")
		}
		passed.Add(int64(time.Hour))
	}
	deliver()
	before := changes(t, n.config.StateDir)
	for range 5 {
		deliver()
	}
	stop()
	n.wantUntouched(a, before)
}

// wantUntouched checks that nothing went to the disk since then.
func (n *network) wantUntouched(a *Agent, before map[string]time.Time) {
	n.t.Helper()
	if s := a.queue.Stats(); s.WrittenBytes != 0 {
		n.t.Errorf("%d bytes were written: %+v", s.WrittenBytes, s)
	}
	if after := changes(n.t, n.config.StateDir); !maps.Equal(after, before) {
		n.t.Errorf("the state folder was changed:\n%v, before\n%v", after, before)
	}
}

// changes are all files and folders there, with their last change.
func changes(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	all := make(map[string]time.Time)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			all[path] = info.ModTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestNoDiskIsNoReasonToStop plants a link where the spool should be.
func TestNoDiskIsNoReasonToStop(t *testing.T) {
	n := newNetwork(t, nil)
	if err := os.Symlink(t.TempDir(), filepath.Join(n.config.StateDir, "spool")); err != nil {
		t.Fatal(err)
	}
	n.config.reportEvery = 10 * time.Millisecond
	n.start()
	n.next(wire.ChannelMetrics)
	n.reported(func(r *Report) bool { return r.SpoolError != "" && r.LastAckSeq > 0 })
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1000": 1000, "64MiB": 64 << 20, "3KiB": 3 << 10, "2GiB": 2 << 30} {
		if got, err := parseBytes(text); got != want || err != nil {
			t.Errorf("parseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "64MB", "9999999999GiB", "64 MiB"} {
		if n, err := parseBytes(text); err == nil {
			t.Errorf("parseBytes(%q) = %d, want an error", text, n)
		}
	}
}
