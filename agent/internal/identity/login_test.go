package identity

import (
	"testing"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// rotated is a machine whose coordinator confirmed another key.
func rotated(t *testing.T) (n *rotation, r *Ring, next proof.Keys) {
	t.Helper()
	n = newRotation(t)
	r = n.ring(t)
	offer, private := n.Offer(t, testNode, 2)
	answer, err := r.Rotate(offer)
	if err != nil {
		t.Fatal(err)
	}
	next = n.accept(t, devicePublic(r), offer, private, answer)
	if err := r.Used(2); err != nil {
		t.Fatal(err)
	}
	return n, r, next
}

// A coordinator whose database was restored knows the former keys only. The
// machine comes back with them, and then rotates again.
func TestMachineComesBackAfterARestoredCoordinator(t *testing.T) {
	n, _, lost := rotated(t)
	n.now = n.now.Add(formerFor - 1)
	r := n.ring(t) // over a restart
	if e := r.Epochs(); len(e) != 1 || e[0].Keys != lost {
		t.Fatalf("former keys are heeded for messages: %d epochs", len(e))
	}
	r.Refused()
	if r.Password() != n.old.MQTTPassword {
		t.Fatal("the former keys are not tried")
	}
	if err := r.LoggedIn(); err != nil {
		t.Fatal(err)
	}
	r = n.ring(t)
	if e := r.Epochs(); r.Password() != n.old.MQTTPassword || e[0].Keys != n.old || r.Newest() != 2 {
		t.Fatalf("it went back to epoch %d, newest %d", e[0].No, r.Newest())
	}
	offer, private := n.Offer(t, testNode, 2) // its number is free again there
	answer, err := r.Rotate(offer)
	if err != nil {
		t.Fatal(err)
	}
	next := n.accept(t, devicePublic(r), offer, private, answer)
	if err := r.Used(2); err != nil || r.Password() != next.MQTTPassword || next == lost {
		t.Errorf("after the rotation: %v", err)
	}
}

// The broker may be another's, with passwords of before, while the coordinator
// knows the newer keys.
func TestCoordinatorThatSpeaksUnderTheRefusedKeysBringsThemBack(t *testing.T) {
	n, r, next := rotated(t)
	r.Refused()
	if err := r.LoggedIn(); err != nil || r.Password() != n.old.MQTTPassword {
		t.Fatalf("the former keys are not in use: %v", err)
	}
	if err := r.Used(2); err != nil || r.Password() != next.MQTTPassword || r.Epochs()[0].Keys != next {
		t.Errorf("the newer keys do not come back: %v", err)
	}
}

func TestFormerKeysAreForgotten(t *testing.T) {
	n, r, next := rotated(t)
	wantTried := func(r *Ring, former bool) {
		t.Helper()
		r.Refused()
		if (r.Password() == n.old.MQTTPassword) != former {
			t.Errorf("former keys tried: %v, want %v", !former, former)
		}
		if r.Refused(); former && r.Password() != next.MQTTPassword {
			t.Error("the present keys are not tried again")
		}
	}
	if err := r.LoggedIn(); err != nil { // too early to forget
		t.Fatal(err)
	}
	wantTried(r, true)
	n.now = n.now.Add(formerFor)
	wantTried(n.ring(t), true) // time alone is no proof that the newer ones stand
	r = n.ring(t)
	if err := r.LoggedIn(); err != nil {
		t.Fatal(err)
	}
	wantTried(r, false)
	wantTried(n.ring(t), false)
}

func TestNewEnrolmentLeavesNoFormerKeys(t *testing.T) {
	n, _, _ := rotated(t)
	if _, err := Enrol(t.Context(), n.dir, ticketOf(t, n.Ticket("second")), wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	r := n.ring(t)
	r.Refused()
	if r.Password() == n.old.MQTTPassword || len(r.candidates()) != 1 {
		t.Error("a key that was revoked by enrolling again is tried")
	}
}
