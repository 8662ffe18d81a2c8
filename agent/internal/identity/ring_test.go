package identity

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const testNode = "node_test" // what coordtest names every node

// wantKeys wants a state folder whose keys are of this root, and no others.
func wantKeys(t *testing.T, dir string, root proof.Key, epoch uint32) {
	t.Helper()
	r := openRing(t, dir, time.Now)
	if e := r.Epochs(); len(e) != 1 || e[0].No != epoch || e[0].Keys != root.Derive() {
		t.Errorf("the keys are not the coordinator's of epoch %d, or not alone", epoch)
	}
}

func openRing(t *testing.T, dir string, now func() time.Time) *Ring {
	t.Helper()
	r, err := OpenRing(dir, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rotation is an enrolled machine and the coordinator's side of a rotation.
type rotation struct {
	*coordtest.Enrolment
	dir string
	old proof.Keys
	now time.Time
}

func newRotation(t *testing.T) *rotation {
	t.Helper()
	n := &rotation{Enrolment: newEnrolment(t), dir: t.TempDir() + "/state", now: time.Now()}
	if _, err := Enrol(context.Background(), n.dir, ticketOf(t, n.Ticket("first")), wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	n.old = n.Root("first").Derive()
	return n
}

func (n *rotation) ring(t *testing.T) *Ring {
	return openRing(t, n.dir, func() time.Time { return n.now })
}

// accept is what the coordinator makes of an answer.
func (n *rotation) accept(t *testing.T, device ed25519.PublicKey, o *wire.KeyOffer, private *ecdh.PrivateKey, a *wire.KeyAnswer) proof.Keys {
	t.Helper()
	if err := proof.VerifyAnswer(device, testNode, o, a); err != nil {
		t.Fatal(err)
	}
	root, err := proof.RotatedRoot(private, a.X25519Public, testNode, o, a.X25519Public)
	if err != nil {
		t.Fatal(err)
	}
	return root.Derive()
}

// agree is an offer and its answer, which the coordinator has; the ring does not
// know that it has.
func (n *rotation) agree(t *testing.T, r *Ring, epoch uint32) (*wire.KeyOffer, *wire.KeyAnswer, proof.Keys) {
	t.Helper()
	offer, private := n.Offer(t, testNode, epoch)
	answer, err := r.Rotate(offer)
	if err != nil {
		t.Fatal(err)
	}
	return offer, answer, n.accept(t, devicePublic(r), offer, private, answer)
}

func devicePublic(r *Ring) ed25519.PublicKey { return r.device.Public().(ed25519.PublicKey) }

func TestNextKeysTakeOverOnceTheCoordinatorUsesThem(t *testing.T) {
	for name, confirm := range map[string]func(*Ring) error{
		"a message under them": func(r *Ring) error { return r.Used(r.Epochs()[1]) },
		"a login with them":    func(r *Ring) error { r.Refused(); return r.LoggedIn() },
	} {
		n := newRotation(t)
		r := n.ring(t)
		_, _, next := n.agree(t, r, 2)
		if r.Password() != n.old.MQTTPassword {
			t.Errorf("%s: logs in with keys that the coordinator may not have", name)
		}
		if err := errors.Join(r.Used(r.Epochs()[0]), r.LoggedIn()); err != nil || r.Password() != n.old.MQTTPassword {
			t.Errorf("%s: the old keys in use promote the next (%v)", name, err)
		}
		r = n.ring(t) // both are on the disk
		if e := r.Epochs(); len(e) != 2 || e[0].Keys != n.old || e[1].Keys != next {
			t.Fatalf("%s: before it is confirmed there are %d epochs", name, len(e))
		}
		if err := confirm(r); err != nil {
			t.Fatal(err)
		}
		if e := r.Epochs(); len(e) != 2 || e[0].Keys != next || e[1].Keys != n.old || r.Password() != next.MQTTPassword {
			t.Errorf("%s: confirmed, there are %d epochs", name, len(e))
		}
		n.now = n.now.Add(previousFor)
		if e := r.Epochs(); len(e) != 1 || e[0].No != 2 {
			t.Errorf("%s: the old keys are heeded for ever", name)
		}
		if e := n.ring(t).Epochs(); len(e) != 1 || e[0].Keys != next {
			t.Errorf("%s: another run has other keys", name)
		}
		text, err := os.ReadFile(n.dir + "/" + identityFile)
		if err != nil || strings.Contains(string(text), `"next"`) {
			t.Errorf("%s: the rotation stays on the disk (%v)", name, err)
		}
	}
}

// Refused alternates: the coordinator may have lost its rotation or this side
// may have missed its end.
func TestRefusedLoginTriesTheOtherKeysInTurn(t *testing.T) {
	n := newRotation(t)
	r := n.ring(t)
	r.Refused()
	if r.Password() != n.old.MQTTPassword {
		t.Error("without a rotation there is no other password")
	}
	offer, _ := n.Offer(t, testNode, 2)
	if _, err := r.Rotate(offer); err != nil {
		t.Fatal(err)
	}
	for i, old := range []bool{true, false, true, false} {
		if (r.Password() == n.old.MQTTPassword) != old {
			t.Errorf("login %d: old keys %v, want %v", i+1, !old, old)
		}
		r.Refused()
	}
}

// TestRotationCrashAtEveryStep stops before each step that changes the disk.
// Whichever of its answers the coordinator took, the machine then has that key.
func TestRotationCrashAtEveryStep(t *testing.T) {
	crash := errors.New("power cut")
	for at := 1; ; at++ {
		n := newRotation(t)
		r, steps := n.ring(t), 0
		r.folder.step = func(string) error {
			if steps++; steps == at {
				return crash
			}
			return nil
		}
		offer, private := n.Offer(t, testNode, 2)
		answer, err := r.Rotate(offer)
		if (err == nil) != (answer != nil) {
			t.Fatalf("step %d: answer %v, %v", at, answer, err)
		}
		if err == nil {
			err = r.Used(r.Epochs()[1])
		}
		if err == nil {
			if at != 5 {
				t.Errorf("a rotation took %d steps, want 4: two files in two steps each", at-1)
			}
			return
		}
		after := n.ring(t)
		if e := after.Epochs(); e[0].Keys != n.old {
			t.Fatalf("step %d: the old keys are gone before the disk has the change", at)
		}
		again, err := after.Rotate(offer)
		if err != nil {
			t.Fatalf("step %d: the same offer again: %v", at, err)
		}
		if answer != nil && string(again.X25519Public) != string(answer.X25519Public) {
			t.Errorf("step %d: the offer that was answered gets another answer", at)
		}
		next := n.accept(t, devicePublic(r), offer, private, again)
		after.Refused() // the overlap has passed
		if after.Password() != next.MQTTPassword {
			t.Errorf("step %d: the machine cannot come back", at)
		}
	}
}

func TestOffersThatAreNotTheCoordinators(t *testing.T) {
	n := newRotation(t)
	r := n.ring(t)
	stranger := newEnrolment(t)
	forged, _ := stranger.Offer(t, testNode, 2)
	other, _ := n.Offer(t, "node_other", 2)
	past, _ := n.Offer(t, testNode, 1)
	altered, _ := n.Offer(t, testNode, 2)
	altered.KeyEpoch = 3
	weak, _ := n.Offer(t, testNode, 2)
	for name, c := range map[string]struct {
		offer *wire.KeyOffer
		want  string
	}{
		"none": {nil, "offers no key"}, "of who copied the root": {forged, "not offered by the coordinator's enrolment key"},
		"for another node": {other, "not offered by"}, "of the present epoch": {past, "not above 1"}, "altered": {altered, "not offered by"},
	} {
		if _, err := r.Rotate(c.offer); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if e := r.Epochs(); len(e) != 1 {
		t.Errorf("a refused offer left %d epochs", len(e))
	}
	r.stored.EnrolmentKey = nil
	if _, err := r.Rotate(weak); err == nil || !strings.Contains(err.Error(), "enrol it again") {
		t.Errorf("without the coordinator's key: %v", err)
	}
}

func TestRotationDoesNotUndoANewEnrolment(t *testing.T) {
	n := newRotation(t)
	r := n.ring(t)
	if _, err := Enrol(context.Background(), n.dir, ticketOf(t, n.Ticket("second")), wire.Inventory{}); err != nil {
		t.Fatal(err)
	}
	offer, _ := n.Offer(t, testNode, 2)
	if _, err := r.Rotate(offer); err == nil || !strings.Contains(err.Error(), "enrolled anew") {
		t.Errorf("the agent of before: %v", err)
	}
	wantKeys(t, n.dir, n.Root("second"), 2)
}
