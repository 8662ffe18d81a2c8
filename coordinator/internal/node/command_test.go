package node_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// radio is what reaches the nodes.
type radio struct {
	mu     sync.Mutex
	sent   []*wire.Command
	closed []string
	broken bool
}

func (w *world) tune(r *radio) {
	w.Send = func(_ string, c *wire.Command) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.broken {
			return errors.New("no broker here")
		}
		r.sent = append(r.sent, c)
		return nil
	}
	w.Disconnect = func(nodeID, _ string) { r.closed = append(r.closed, nodeID) }
}

func (w *world) connect(t *testing.T, no int32) uint64 {
	t.Helper()
	session, _, err := node.NewPresence(w.pool, func() time.Time { return w.clock }).Connected(t.Context(), no, node.AnyKey)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestStopAndStartAreConfirmed(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	w.prove(t, no, true)
	_, err := w.Stop(t.Context(), operator, id)
	wantFault(t, err, fault.NodeOffline)
	w.connect(t, no)
	_, err = w.Start(t.Context(), operator, id)
	wantFault(t, err, fault.StateNotAllowed) // it is starting already

	for i, step := range []struct {
		kind          wire.CommandKind
		give          func() (node.Command, error)
		during, after node.Status
	}{
		{wire.CommandStop, func() (node.Command, error) { return w.Stop(t.Context(), operator, id) }, node.Stopping, node.Inactive},
		{wire.CommandStart, func() (node.Command, error) { return w.Start(t.Context(), operator, id) }, node.Starting, node.Active},
	} {
		c, err := step.give()
		if err != nil || c.Status != step.during || !c.Expires.Equal(w.clock.Add(time.Minute)) {
			t.Fatalf("%s: %+v, %v", step.kind, c, err)
		}
		sent := r.sent[len(r.sent)-1]
		_, keys, err := w.LiveKeys(t.Context(), id)
		if err != nil || len(r.sent) != i+1 || sent.Kind != step.kind || sent.CommandID != c.ID || sent.Version != uint64(w.clock.UnixMilli())+uint64(i) ||
			!proof.VerifyCommand(keys.Command, id, sent) {
			t.Fatalf("sent %+v, %v", sent, err)
		}
		if n := w.get(t, id); n.Status != step.during {
			t.Errorf("before it confirms the node is %s", n.Status)
		}
		done := &wire.CommandResult{V: 1, CommandID: c.ID, Result: wire.CommandDone}
		if err := w.CommandResult(t.Context(), no+1000, done); err == nil {
			t.Error("a node that does not exist confirmed")
		}
		for range 2 { // the second one changes nothing
			if err := w.CommandResult(t.Context(), no, done); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.get(t, id); n.Status != step.after {
			t.Errorf("confirmed, the node is %s (%s), want %s", n.Status, n.StatusReason, step.after)
		}
		w.wantRecorded(t, id, "node."+string(step.kind), "status")
	}
	if err := w.RunOnce(t.Context()); err != nil || len(r.sent) != 2 {
		t.Errorf("sent %d commands, want 2; %v", len(r.sent), err)
	}
}

func TestCommandThatNobodyConfirmsEndsInError(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	c, err := w.Stop(t.Context(), operator, id)
	if err != nil {
		t.Fatal(err)
	}
	w.wantStatusAfter(t, id, 59*time.Second, node.Stopping)
	w.wantStatusAfter(t, id, time.Second, node.Error)
	if n := w.get(t, id); n.StatusReason != "stop not confirmed within 1m0s" {
		t.Errorf("reason %q", n.StatusReason)
	}
	if n := w.count(t, "SELECT count(*) FROM event_outbox WHERE node_id = $1 AND body ->> 'status' = 'error'", id); n != 1 {
		t.Errorf("%d events tell of the error, want 1", n)
	}
	// Too late: what the operator sees does not change under him.
	if err := w.CommandResult(t.Context(), no, &wire.CommandResult{V: 1, CommandID: c.ID, Result: wire.CommandDone}); err != nil {
		t.Fatal(err)
	}
	w.wantStatusAfter(t, id, 0, node.Error)
	c, err = w.Start(t.Context(), operator, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CommandResult(t.Context(), no, &wire.CommandResult{V: 1, CommandID: c.ID, Result: wire.CommandRefused, Reason: "clock"}); err != nil {
		t.Fatal(err)
	}
	if n := w.get(t, id); n.Status != node.Error || n.StatusReason != "start refused: clock" {
		t.Errorf("refused, the node is %s (%s)", n.Status, n.StatusReason)
	}
}

func TestCommandIsSentWhereTheBrokerIsAndAgainToANewSession(t *testing.T) {
	w, r := newWorld(t), &radio{broken: true}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	session := w.connect(t, no)
	if _, err := w.Stop(t.Context(), operator, id); err != nil {
		t.Fatal(err) // given on a coordinator without the broker
	}
	r.broken = false
	for range 2 {
		if err := w.RunOnce(t.Context()); err != nil || len(r.sent) != 1 {
			t.Fatalf("sent %d commands, want 1; %v", len(r.sent), err)
		}
	}
	status := &wire.Status{V: 1, Online: true, Run: wire.NewRunID(), Connection: 1, State: wire.StateRunning}
	if err := w.SetAgent(t.Context(), no, session, status); err != nil || len(r.sent) != 2 || r.sent[1].CommandID != r.sent[0].CommandID {
		t.Errorf("sent %d commands, want the same again; %v", len(r.sent), err)
	}
	if err := w.SetAgent(t.Context(), no, session-1, status); err != nil || len(r.sent) != 2 {
		t.Errorf("an older session's status sends; %v", err)
	}
}

func TestSettingAStatusGivesUpTheCommand(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	c, err := w.Stop(t.Context(), operator, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Update(t.Context(), operator, id, node.Update{Status: pointer(node.Maintenance), Reason: pointer("fan")}); err != nil {
		t.Fatal(err)
	}
	if err := w.CommandResult(t.Context(), no, &wire.CommandResult{V: 1, CommandID: c.ID, Result: wire.CommandDone}); err != nil {
		t.Fatal(err)
	}
	w.wantStatusAfter(t, id, time.Hour, node.Maintenance)
	if n := w.get(t, id); !strings.HasPrefix(n.StatusReason, "fan") {
		t.Errorf("reason %q", n.StatusReason)
	}
}

// A node that comes back while its command is on the way gets it again: what
// went to its old session may have reached nobody.
func TestCommandSentToASessionThatEnds(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	sent := 0
	w.Send = func(string, *wire.Command) error {
		if sent++; sent == 1 {
			w.connect(t, no)
		}
		return nil
	}
	if _, err := w.Stop(t.Context(), operator, id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if sent != 2 {
		t.Errorf("sent %d times, want once to each session", sent)
	}
}

func (w *world) prove(t *testing.T, no int32, proven bool) {
	t.Helper()
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error { return node.SetProven(t.Context(), tx, no, proven) })
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) confirm(t *testing.T, no int32, c node.Command, err error) {
	t.Helper()
	if err == nil {
		err = w.CommandResult(t.Context(), no, &wire.CommandResult{V: 1, CommandID: c.ID, Result: wire.CommandDone})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A node that never proved itself must not become active by its own word, nor
// one that its score took out of work while an operator had set it aside.
func TestStartOfANodeThatIsNotProvenWaitsForItsProof(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	restart := func(want node.Status, reason string) {
		t.Helper()
		c, err := w.Start(t.Context(), operator, id)
		w.confirm(t, no, c, err)
		if n := w.get(t, id); n.Status != want || n.StatusReason != reason {
			t.Errorf("started, the node is %s (%s), want %s (%s)", n.Status, n.StatusReason, want, reason)
		}
	}
	c, err := w.Stop(t.Context(), operator, id)
	w.confirm(t, no, c, err)
	restart(node.Starting, "start confirmed, to be proven")

	for _, status := range []node.Status{node.Suspended, node.Maintenance, node.Inactive} {
		w.prove(t, no, true)
		if _, err := w.Update(t.Context(), operator, id, node.Update{Status: &status, Reason: pointer("a look at it")}); err != nil {
			t.Fatal(err)
		}
		w.prove(t, no, false) // as the verdict on its open challenge says meanwhile
		restart(node.Starting, "start confirmed, to be proven")
	}
	// By hand over a suspension by the score.
	w.prove(t, no, false)
	err = db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		return node.SetStatus(t.Context(), tx, no, node.Suspended, node.SuspendedByScore+"low_reputation", w.clock)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Start(t.Context(), operator, id); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("a suspension by the score is ended by a start: %v", err)
	}
	if _, err := w.Update(t.Context(), operator, id, node.Update{Status: pointer(node.Suspended), Reason: pointer("mine now")}); err != nil {
		t.Fatal(err)
	}
	restart(node.Starting, "start confirmed, to be proven")
}

func TestParkedNodeHasNoOpenCommand(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	c, err := w.Stop(t.Context(), operator, id)
	w.confirm(t, no, c, err)
	if c, err = w.Start(t.Context(), operator, id); err != nil {
		t.Fatal(err)
	}
	err = db.InTx(t.Context(), w.pool, func(tx db.Tx) error { return node.Park(t.Context(), tx, no, "scaled", w.clock) })
	if err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, "SELECT count(*) FROM node_command WHERE state = 'open'"); n != 0 {
		t.Error("the start of a parked node is still open")
	}
	w.confirm(t, no, c, nil) // too late
	w.wantStatusAfter(t, id, 2*time.Minute, node.Inactive)
}
