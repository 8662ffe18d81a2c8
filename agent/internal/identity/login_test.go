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
	_, _, next = n.agree(t, r, 2)
	if err := r.Used(proof.Epoch{No: 2, Keys: next}); err != nil {
		t.Fatal(err)
	}
	return n, r, next
}

// A coordinator whose database was restored knows the former keys only. The
// machine comes back with them, and then rotates again.
func TestMachineComesBackAfterARestoredCoordinator(t *testing.T) {
	n, _, lost := rotated(t)
	n.now = n.now.Add(spareFor - 1)
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
	if e := r.Epochs(); r.Password() != n.old.MQTTPassword || e[0].Keys != n.old || len(e) != 2 || r.Newest() != 2 {
		t.Fatalf("it went back to epoch %d, newest %d", e[0].No, r.Newest())
	}
	_, _, next := n.agree(t, r, 2)
	if err := r.Used(proof.Epoch{No: 2, Keys: lost}); err != nil || r.Password() != n.old.MQTTPassword {
		t.Errorf("a message under the lost keys of the same number takes the next ones into use (%v)", err)
	}
	if err := r.Used(proof.Epoch{No: 2, Keys: next}); err != nil || r.Password() != next.MQTTPassword || r.Newest() != 2 {
		t.Errorf("after the rotation: %v", err)
	}
	n.now = n.now.Add(previousFor)
	if e := r.Epochs(); len(e) != 1 || e[0].Keys != next {
		t.Errorf("%d epochs are heeded when all is settled", len(e))
	}
}

// Only who was refused by every key has to enrol again.
func TestRefusedTellsWhetherKeysAreLeft(t *testing.T) {
	_, r, _ := rotated(t)
	for range 2 {
		for i, want := range []bool{true, false, false, false} { // of two keys; from the third on each is tried again
			if left := r.Refused(); left != want {
				t.Errorf("refusal %d: keys are left: %v", i+1, left)
			}
		}
		if err := r.LoggedIn(); err != nil {
			t.Fatal(err)
		}
	}
}

// An offer that was answered may be what the coordinator has, also when it refuses
// the keys in use.
func TestOfferedKeysOutliveAStepBack(t *testing.T) {
	n, r, _ := rotated(t)
	offer, answer, offered := n.agree(t, r, 3)
	for r.Password() != n.old.MQTTPassword {
		r.Refused()
	}
	if err := r.LoggedIn(); err != nil {
		t.Fatal(err)
	}
	r = n.ring(t)
	if e := r.Epochs(); len(e) != 3 || e[0].Keys != n.old || e[1].Keys != offered {
		t.Fatalf("%d epochs are heeded, the offered ones are not among them", len(e))
	}
	if again, err := r.Rotate(offer); err != nil || string(again.X25519Public) != string(answer.X25519Public) {
		t.Errorf("the same offer gets another answer (%v)", err)
	}
	r.Refused()
	if err := r.LoggedIn(); err != nil || r.Password() != offered.MQTTPassword {
		t.Errorf("the offered keys open nothing (%v)", err)
	}
}

// A standby of the coordinator's database that took over may still take the answer
// to an offer that another one followed.
func TestCoordinatorTakesTheAnswerBeforeTheLast(t *testing.T) {
	n := newRotation(t)
	r := n.ring(t)
	_, _, taken := n.agree(t, r, 2)
	another, _ := n.Offer(t, testNode, 2)
	if _, err := r.Rotate(another); err != nil {
		t.Fatal(err)
	}
	r = n.ring(t)
	if r.Newest() != 1 {
		t.Errorf("epoch %d was never in use", r.Newest())
	}
	if err := r.Used(proof.Epoch{No: 2, Keys: taken}); err != nil || r.Password() != taken.MQTTPassword {
		t.Errorf("the coordinator speaks under it, and it is not in use (%v)", err)
	}
}

// A command can bring another key while a login is under way.
func TestLoginIsOfTheKeysThatWereShown(t *testing.T) {
	n, r, _ := rotated(t)
	r.Refused()
	if r.Password() != n.old.MQTTPassword {
		t.Fatal("the former keys are not tried")
	}
	offer, _ := n.Offer(t, testNode, 3)
	if _, err := r.Rotate(offer); err != nil {
		t.Fatal(err)
	}
	if err := r.LoggedIn(); err != nil || r.Password() != n.old.MQTTPassword {
		t.Errorf("other keys than those that opened the connection are in use (%v)", err)
	}
}

func TestSparesAreBounded(t *testing.T) {
	n, r, _ := rotated(t)
	for epoch := range uint32(10) { // that nobody takes
		offer, _ := n.Offer(t, testNode, 3+epoch)
		if _, err := r.Rotate(offer); err != nil {
			t.Fatal(err)
		}
	}
	if all := r.stored.all(); len(all) != 2+maxSpares || all[5].epoch().Keys != n.old {
		t.Errorf("offers that nobody took leave %d keys, or push out the former ones", len(all))
	}
	for range 10 {
		offer, _ := n.Offer(t, testNode, r.stored.KeyEpoch+20)
		if _, err := r.Rotate(offer); err != nil {
			t.Fatal(err)
		}
		if err := r.Used(r.Epochs()[1]); err != nil {
			t.Fatal(err)
		}
	}
	if r = n.ring(t); len(r.stored.all()) != 1+maxSpares {
		t.Errorf("ten rotations leave %d keys", len(r.stored.all()))
	}
}

// The broker may be another's, with passwords of before, while the coordinator
// knows the newer keys. What was said under them a while ago is no sign of it: it
// may be from before a restore.
func TestCoordinatorIsHeardUnderTheRefusedKeys(t *testing.T) {
	n, r, next := rotated(t)
	r.Refused()
	if err := r.LoggedIn(); err != nil || r.Password() != n.old.MQTTPassword {
		t.Fatalf("the former keys are not in use: %v", err)
	}
	if e := r.Epochs(); e[1].Keys != next {
		t.Errorf("of %d epochs that are heeded the second is not the newer", len(e))
	}
	n.now = n.now.Add(previousFor)
	if e := r.Settled(); len(e) != 1 || e[0].Keys != n.old {
		t.Errorf("what a broker kept counts under %d epochs", len(e))
	}
	if err := r.Used(proof.Epoch{No: 2, Keys: next}); err != nil || r.Password() != n.old.MQTTPassword {
		t.Errorf("a message takes the password away that opens the broker (%v)", err)
	}
	r.Refused() // the broker was configured
	if err := r.LoggedIn(); err != nil || r.Password() != next.MQTTPassword || len(r.Epochs()) != 1 {
		t.Errorf("the newer keys do not come back (%v)", err)
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
	n.now = n.now.Add(spareFor)
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
	if r.Password() == n.old.MQTTPassword || len(r.stored.all()) != 1 {
		t.Error("a key that was revoked by enrolling again is tried")
	}
}
