package node_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

func (w *world) wantTold(t *testing.T, id, change, reason string, times int) {
	t.Helper()
	n := w.count(t, "SELECT count(*) FROM event_outbox WHERE node_id = $1 AND body ->> 'change' = $2 AND body ->> 'reason' = $3", id, change, reason)
	if n != times {
		t.Errorf("%s of %s (%s) is told %d times, want %d", change, id, reason, n, times)
	}
}

func TestIntrusionsAreToldOf(t *testing.T) {
	w := newWorld(t)
	used := w.token(t, node.Token{})
	id := w.enroll(t, newDevice(t).request(t, used, wire.Inventory{SerialHash: board("b1")})).NodeID

	_, err := w.Enroll(t.Context(), newDevice(t).request(t, used, wire.Inventory{}))
	wantFault(t, err, fault.BadEnrolmentToken)
	w.wantTold(t, id, "intrusion", "a used token came from another device", 1)
	fresh := w.token(t, node.Token{})
	_, err = w.Enroll(t.Context(), newDevice(t).request(t, fresh, wire.Inventory{SerialHash: board("b1")}))
	wantFault(t, err, fault.StateNotAllowed)
	w.wantTold(t, id, "intrusion", "another device shows its board's serial number", 1)

	_, err = w.Enroll(t.Context(), newDevice(t).request(t, "enroll_guessed", wire.Inventory{SerialHash: board("b1")}))
	wantFault(t, err, fault.BadEnrolmentToken)
	if n := w.count(t, "SELECT count(*) FROM event_outbox WHERE body ->> 'change' = 'intrusion'"); n != 2 {
		t.Errorf("%d intrusions told: who has no token can fill the outbox", n)
	}
}

// The check and the row are not one step: without taking turns both would pass.
func TestOneBoardEnrollingTwiceAtOnceIsOneNode(t *testing.T) {
	w := newWorld(t)
	const devices = 8
	errs := make(chan error, devices)
	for range devices {
		req := newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("twin")})
		go func() {
			_, err := w.Enroll(context.WithoutCancel(t.Context()), req)
			errs <- err
		}()
	}
	for range devices {
		if err := <-errs; err != nil && !fault.Has(err, fault.StateNotAllowed) {
			t.Error(err)
		}
	}
	if n := w.count(t, "SELECT count(*) FROM node WHERE serial_hash = $1", board("twin")); n != 1 {
		t.Errorf("one board is %d nodes", n)
	}
}

func TestNodeOnAnotherBoardIsToldOfOnce(t *testing.T) {
	w := newWorld(t)
	other := w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("other")})).NodeID
	id := w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("mine")})).NodeID
	no := w.get(t, id).No
	for _, serial := range []string{board("mine"), "", board("new"), board("new"), board("other"), board("mine"), board("new")} {
		if err := w.SetInventory(t.Context(), no, &wire.Inventory{SerialHash: serial}); err != nil {
			t.Fatal(err)
		}
	}
	w.wantTold(t, id, "board", "it runs on another board than it enrolled with", 2)
	w.wantTold(t, id, "board", "it runs on the board of "+other, 1)
}

// The device would refuse the answer of a coordinator with another key, and a
// node of which it knows nothing would be left.
func TestDeviceOfAnotherCoordinatorLeavesNoNode(t *testing.T) {
	w, d := newWorld(t), newDevice(t)
	token := w.token(t, node.Token{})
	req := d.request(t, token, wire.Inventory{})
	strange, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	req.EnrolmentKey = strange
	_, err = w.Enroll(t.Context(), req)
	wantFault(t, err, fault.Validation)
	if n := w.count(t, "SELECT count(*) FROM node"); n != 0 {
		t.Fatalf("%d nodes are left by a refused enrolment", n)
	}
	req.EnrolmentKey = w.enrolmentKey // its file is mended; the token is still good
	w.enroll(t, req)
}

func TestNewKeyEndsTheConnectionOfTheOldOne(t *testing.T) {
	w, r := newWorld(t), &radio{}
	w.tune(r)
	home := w.createPool(t, "home", 2)
	id := w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{PoolNo: &home.No}), wire.Inventory{SerialHash: board("old")})).NodeID
	no := w.get(t, id).No
	w.connect(t, no)
	w.prove(t, no, true)
	w.setStatus(t, no, node.Active, "proven")

	w.Disconnect = func(string, string) {} // the broker is another coordinator's
	again := newDevice(t).request(t, w.token(t, node.Token{NodeNo: &no}), wire.Inventory{SerialHash: board("new")})
	w.enroll(t, again)
	n := w.get(t, id)
	if n.Status != node.Starting || n.StatusReason != "enrolled again" || n.PoolID != "pool_home" || n.Inventory.SerialHash != board("new") {
		t.Errorf("with its new key the node is %s (%s)", n.Status, n.StatusReason)
	}
	w.tune(r)
	if err := w.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.closed, []string{id}) {
		t.Fatalf("closed %v, want the connection of the old key", r.closed)
	}
	w.connect(t, no) // with the new key
	w.enroll(t, again)
	if err := w.RunOnce(t.Context()); err != nil || len(r.closed) != 1 {
		t.Errorf("the new connection is closed too: %v, %v", r.closed, err)
	}
	if n := w.count(t, "SELECT count(*) FROM node WHERE proven"); n != 0 {
		t.Error("the new key counts as proven")
	}
	// The old board is free, the new one is not.
	w.enroll(t, newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("old")}))
	_, err := w.Enroll(t.Context(), newDevice(t).request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("new")}))
	wantFault(t, err, fault.StateNotAllowed)

	third := newDevice(t).request(t, w.token(t, node.Token{NodeNo: &no}), wire.Inventory{SerialHash: board("new")})
	w.enroll(t, third)
	if len(r.closed) != 2 {
		t.Errorf("closed %v, want at once where the broker is", r.closed)
	}
}

// Who has a token that leaked may show it as often as he likes: once a minute is
// told, of each token, so that it fills no feed.
func TestTokenThatIsShownAgainAndAgainIsToldOfOnceAMinute(t *testing.T) {
	w := newWorld(t)
	used, named := w.token(t, node.Token{}), w.token(t, node.Token{Serials: serials(2)})
	id := w.enroll(t, newDevice(t).request(t, used, newBoard(7))).NodeID
	for minute := 1; minute <= 2; minute++ {
		for range 3 {
			w.refusedEnrol(t, newDevice(t).request(t, used, newBoard(8)))
			w.refusedEnrol(t, newDevice(t).request(t, named, newBoard(9)))
			w.clock = w.clock.Add(20 * time.Second)
		}
		w.wantTold(t, id, "intrusion", "a used token came from another device", minute)
		w.wantTold(t, "", "intrusion", "a token came from a board that it does not name", minute)
	}
}
