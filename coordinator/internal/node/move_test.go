package node_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// tell is a round, and the moves that are sent in it.
func (r *rotation) tell(t *testing.T) []*wire.Command {
	t.Helper()
	before := len(r.sent)
	if err := r.RunOnceMove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.sent[before:]
}

func TestNodesAreToldOnceWhereTheCoordinatorIsWhenThatChanges(t *testing.T) {
	r := newRotation(t)
	if sent := r.tell(t); len(sent) != 0 {
		t.Fatal("told what its enrolment said")
	}
	r.MQTT = []string{"new:8883", "broker:8883"}
	r.CAPEM = func() string { return "pem and another" }
	sent := r.tell(t)
	if len(sent) != 1 || sent[0].Kind != wire.CommandMove || !proof.VerifyCommand(r.root.Command, r.id, sent[0]) {
		t.Fatalf("sent %+v", sent)
	}
	w := sent[0].Coordinator
	if err := proof.VerifyWhereabouts(r.enrolmentKey, r.id, w); err != nil || w.MQTT[0] != "new:8883" || w.CAPEM != "pem and another" {
		t.Errorf("told %+v, %v", w, err)
	}
	if n, err := r.Untold(t.Context()); err != nil || n != 1 {
		t.Errorf("%d do not know, %v", n, err)
	}
	r.result(t, &wire.CommandResult{V: 1, CommandID: sent[0].CommandID, Result: wire.CommandDone})
	r.clock = r.clock.Add(24 * time.Hour)
	if sent := r.tell(t); len(sent) != 0 {
		t.Error("told again what it took")
	}
	if n, err := r.Untold(t.Context()); err != nil || n != 0 {
		t.Errorf("%d do not know, %v", n, err)
	}
	if n := r.get(t, r.id); n.Status != node.Starting {
		t.Errorf("a move makes the node %s", n.Status)
	}
}

func TestNodeThatRefusesAMoveIsToldAgainAfterAnHour(t *testing.T) {
	r := newRotation(t)
	r.MQTT = []string{"new:8883"}
	sent := r.tell(t)
	r.result(t, &wire.CommandResult{V: 1, CommandID: sent[0].CommandID, Result: wire.CommandRefused, Reason: "disk"})
	r.clock = r.clock.Add(time.Hour - time.Second)
	if sent := r.tell(t); len(sent) != 0 {
		t.Error("told again at once")
	}
	r.clock = r.clock.Add(time.Second)
	if sent := r.tell(t); len(sent) != 1 {
		t.Errorf("told %d times, want once more", len(sent))
	}
}
