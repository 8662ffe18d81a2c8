package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const node = "node_test"

// key is the command key of the node's root.
var key = proof.Key{7}.Derive().Command

type bench struct {
	*Control
	t         *testing.T
	dir       string
	now       time.Time
	refreshed int
	failure   error

	epochs  []proof.Epoch
	used    uint32
	rotated int
	answer  *wire.KeyAnswer
	moved   *wire.Whereabouts
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t: t, dir: t.TempDir(), now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), epochs: []proof.Epoch{{No: 1, Keys: proof.Key{7}.Derive()}},
	}
	b.open(node)
	return b
}

func (b *bench) open(nodeID string) {
	b.t.Helper()
	var err error
	b.Control, err = Open(Config{
		Dir: b.dir, NodeID: nodeID, Now: func() time.Time { return b.now },
		Epochs: func() []proof.Epoch { return b.epochs }, Settled: func() []proof.Epoch { return b.epochs[:1] }, Used: func(e proof.Epoch) { b.used = e.No },
		Rotate:  func(o *wire.KeyOffer) (*wire.KeyAnswer, error) { b.rotated++; return b.answer, b.failure },
		Move:    func(w *wire.Whereabouts) error { b.moved = w; return b.failure },
		Refresh: func() error { b.refreshed++; return b.failure },
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) command(kind wire.CommandKind, version uint64) *wire.Command {
	c := &wire.Command{
		V: 1, CommandID: fmt.Sprintf("%032x", version), Kind: kind, Version: version,
		IssuedMs: b.now.UnixMilli(), ExpiresMs: b.now.Add(time.Minute).UnixMilli(),
	}
	proof.SignCommand(key, node, c)
	return c
}

func (b *bench) obey(c *wire.Command) wire.CommandResult {
	b.t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := b.Obey(raw)
	if err != nil {
		b.t.Fatal(err)
	}
	if r.CommandID != c.CommandID || r.V != wire.ProtocolVersion {
		b.t.Errorf("%+v answers %+v", r, c)
	}
	return *r
}

func (b *bench) wantDone(c *wire.Command) {
	b.t.Helper()
	if r := b.obey(c); r.Result != wire.CommandDone || r.Reason != "" {
		b.t.Errorf("%s gives %+v, want done", c.Kind, r)
	}
}

func (b *bench) wantRefused(c *wire.Command, reason string) {
	b.t.Helper()
	before := b.Stopped()
	if r := b.obey(c); r.Result != wire.CommandRefused || !strings.Contains(r.Reason, reason) {
		b.t.Errorf("%s gives %+v, want refused: %s", c.Kind, r, reason)
	}
	if b.Stopped() != before {
		b.t.Error("what was refused was done all the same")
	}
}

func TestStopSurvivesARestart(t *testing.T) {
	b := newBench(t)
	if b.Stopped() || b.State() != wire.StateRunning {
		t.Fatal("a new agent is stopped")
	}
	b.wantDone(b.command(wire.CommandStop, 1))
	b.open(node)
	if !b.Stopped() || b.State() != wire.StateStopped {
		t.Error("the stop is forgotten")
	}
}

func TestStartAfterStop(t *testing.T) {
	b := newBench(t)
	b.wantDone(b.command(wire.CommandStop, 1))
	b.wantDone(b.command(wire.CommandStart, 2))
	b.open(node)
	if b.Stopped() {
		t.Error("the start is forgotten")
	}
}

func TestForgedCommandsAreRefused(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*wire.Command){
		"kind":    func(c *wire.Command) { c.Kind = wire.CommandStart },
		"version": func(c *wire.Command) { c.Version = 9 },
		"expiry":  func(c *wire.Command) { c.ExpiresMs++ },
		"mac":     func(c *wire.Command) { c.MAC[31] ^= 1 },
		"other":   func(c *wire.Command) { proof.SignCommand(key, "node_other", c) },
		"key":     func(c *wire.Command) { proof.SignCommand(proof.Key{8}, node, c) },
	} {
		t.Run(name, func(t *testing.T) {
			c := b.command(wire.CommandStop, 1)
			change(c)
			b.wantRefused(c, "MAC")
		})
	}
	b.wantDone(b.command(wire.CommandStop, 1)) // the forgeries used up no version
}

func TestOldCommandsAreRefused(t *testing.T) {
	b := newBench(t)
	first := b.command(wire.CommandStop, 1)
	b.wantDone(first)
	b.wantDone(b.command(wire.CommandStart, 2))
	b.wantRefused(first, "repeated: version 1 is not above 2")
	b.open(node)
	b.wantRefused(first, "repeated: version 1 is not above 2")

	late := b.command(wire.CommandStop, 3)
	b.now = b.now.Add(time.Minute)
	b.wantRefused(late, "expired")
	b.now = time.Unix(100, 0) // the clock was not set yet: the version tells
	b.wantDone(late)
}

func TestTheNewestCommandAgainGetsItsAnswerAgain(t *testing.T) {
	b := newBench(t)
	c := b.command(wire.CommandRefreshInfo, 1)
	b.wantDone(c)
	b.open(node)
	b.wantDone(c)
	if b.refreshed != 1 {
		t.Errorf("refreshed %d times, want once", b.refreshed)
	}
	other := b.command(wire.CommandStop, 1)
	other.CommandID = strings.Repeat("f", 32)
	proof.SignCommand(key, node, other)
	b.wantRefused(other, "repeated")
}

func TestWhatCannotBeDoneIsRefusedWithItsReason(t *testing.T) {
	b := newBench(t)
	b.wantRefused(b.command("reboot", 1), `unknown kind "reboot"`)
	b.wantRefused(b.command("reboot", 1), `unknown kind "reboot"`) // again: the same answer
	b.failure = errors.New(strings.Repeat("ä", 100))
	r := b.obey(b.command(wire.CommandRefreshInfo, 2))
	if r.Result != wire.CommandRefused || r.Reason != strings.Repeat("ä", 64) {
		t.Errorf("%+v", r)
	}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	b.wantRefused(b.command(wire.CommandStop, 3), "it cannot be kept")
}

// What asks meanwhile whether the agent is stopped takes challenges off the
// connection: the info that a refresh publishes would wait for it.
func TestARefreshHoldsUpNobody(t *testing.T) {
	b := newBench(t)
	refresh := b.config.Refresh
	b.config.Refresh = func() error {
		asked := make(chan bool)
		go func() { asked <- b.Stopped() }()
		select {
		case <-asked:
			return refresh()
		case <-time.After(time.Minute):
			return errors.New("held up")
		}
	}
	b.wantDone(b.command(wire.CommandRefreshInfo, 1))
}

func TestWhatIsNoCommandHasNoAnswer(t *testing.T) {
	b := newBench(t)
	for _, payload := range []string{"", "{", `{"v":1}`, `{"v":2,"kind":"stop"}`} {
		if r, err := b.Obey([]byte(payload)); err == nil {
			t.Errorf("%q gives %+v", payload, r)
		}
	}
}

func TestStateOfAnotherNodeDoesNotCount(t *testing.T) {
	b := newBench(t)
	b.wantDone(b.command(wire.CommandStop, 5))
	b.open("node_second")
	if b.Stopped() {
		t.Error("a machine that became another node stays stopped")
	}
	if err := os.WriteFile(filepath.Join(b.dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: b.dir, NodeID: node}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestRotationIsAnsweredOnceKeptAndTheSameAgainAfterARestart(t *testing.T) {
	b := newBench(t)
	b.answer = &wire.KeyAnswer{X25519Public: make([]byte, 32), Signature: make([]byte, 64)}
	c := b.command(wire.CommandRotateKey, 1)
	c.Key = &wire.KeyOffer{KeyEpoch: 2, X25519Public: make([]byte, 32), Signature: make([]byte, 64)}
	proof.SignCommand(key, node, c)
	for range 2 {
		if r := b.obey(c); r.Result != wire.CommandDone || r.Key == nil || b.rotated != 1 {
			t.Errorf("answered %+v after %d rotations", r, b.rotated)
		}
		b.open(node)
	}
	next := b.command(wire.CommandRotateKey, 2)
	b.failure, b.answer = errors.New("no room"), nil
	if r := b.obey(next); r.Result != wire.CommandRefused || r.Key != nil || r.Reason != "no room" {
		t.Errorf("a rotation that failed answers %+v", r)
	}
}

func TestMoveIsHandedOnAndRefusedWithItsReason(t *testing.T) {
	b := newBench(t)
	c := b.command(wire.CommandMove, 1)
	c.Coordinator = &wire.Whereabouts{MQTT: []string{"new:8883"}, CAPEM: "pem", Signature: make([]byte, 64)}
	proof.SignCommand(key, node, c)
	b.failure = errors.New("not signed")
	if r := b.obey(c); r.Result != wire.CommandRefused || r.Reason != "not signed" || b.moved == nil || b.moved.MQTT[0] != "new:8883" {
		t.Errorf("answered %+v, moved to %+v", r, b.moved)
	}
}

func TestCommandUnderEitherEpochIsGenuineAndTellsWhich(t *testing.T) {
	b := newBench(t)
	next := proof.Key{8}.Derive()
	b.epochs = append(b.epochs, proof.Epoch{No: 2, Keys: next})
	if r := b.obey(b.command(wire.CommandStop, 1)); r.Result != wire.CommandDone || b.used != 1 {
		t.Errorf("under the first: %+v, used %d", r, b.used)
	}
	c := b.command(wire.CommandStart, 2)
	proof.SignCommand(next.Command, node, c)
	if r := b.obey(c); r.Result != wire.CommandDone || b.used != 2 {
		t.Errorf("under the next: %+v, used %d", r, b.used)
	}
	b.epochs = b.epochs[1:]
	if r := b.obey(b.command(wire.CommandStop, 3)); r.Result != wire.CommandRefused {
		t.Errorf("under one that is no more: %+v", r)
	}
}

// Who says an old message again is no coordinator that has those keys now.
func TestRepeatedCommandIsNoSignOfKeys(t *testing.T) {
	b := newBench(t)
	next := proof.Key{8}.Derive()
	b.epochs = append(b.epochs, proof.Epoch{No: 2, Keys: next})
	b.wantDone(b.command(wire.CommandStop, 2))
	for _, version := range []uint64{1, 2} {
		c := b.command(wire.CommandStop, version)
		proof.SignCommand(next.Command, node, c)
		b.obey(c)
	}
	if b.used != 1 {
		t.Errorf("keys of epoch %d are said to be used", b.used)
	}
}

func FuzzObey(f *testing.F) {
	f.Add([]byte(`{"v":1,"command_id":"00000000000000000000000000000001","kind":"stop","issued_ms":1,"expires_ms":2,"version":1,"mac":""}`))
	c, err := Open(Config{Dir: f.TempDir(), NodeID: node, Now: time.Now, Refresh: func() error { return nil },
		Epochs: func() []proof.Epoch { return []proof.Epoch{{No: 1, Keys: proof.Key{7}.Derive()}} }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if r, err := c.Obey(payload); c.Stopped() || err == nil && r.Result != wire.CommandRefused {
			t.Errorf("obeyed %q", payload)
		}
	})
}
