package node_test

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// endedBy is the word of a device that it gives the node up.
func endedBy(d device, id string, at time.Time) *wire.SignedChange {
	c := &wire.SignedChange{V: 1, NodeID: id, Field: wire.FieldEnrolment, Value: wire.EnrolmentEnded, SignedMs: at.UnixMilli()}
	proof.SignChange(d.key, c)
	return c
}

func TestNodeIsGivenUpByItsMachineAlone(t *testing.T) {
	w, r, owner := newWorld(t), &radio{}, newDevice(t)
	w.tune(r)
	home := w.createPool(t, "home", 1)
	req := owner.request(t, w.token(t, node.Token{NodeName: "pi-1", PoolNo: &home.No}), wire.Inventory{SerialHash: board("b1")})
	id := w.enroll(t, req).NodeID

	wantFault(t, w.Unenroll(t.Context(), "", endedBy(newDevice(t), id, w.clock)), fault.Validation)
	address := &wire.SignedChange{V: 1, NodeID: id, Field: wire.FieldPayoutAddress, Value: addressA, SignedMs: w.clock.UnixMilli()}
	proof.SignChange(owner.key, address)
	wantFault(t, w.Unenroll(t.Context(), "", address), fault.Validation)
	begun := *endedBy(owner, id, w.clock)
	begun.Value = "begun"
	proof.SignChange(owner.key, &begun)
	wantFault(t, w.Unenroll(t.Context(), "", &begun), fault.Validation)
	wantFault(t, w.Unenroll(t.Context(), "", endedBy(owner, "node_nobody", w.clock)), fault.NodeNotFound)
	_, err := w.ChangeAddress(t.Context(), "", endedBy(owner, id, w.clock))
	wantFault(t, err, fault.Validation)
	if n := w.get(t, id); n.Status != node.Starting || len(r.closed) != 0 {
		t.Fatalf("what was refused left the node %s, closed %v", n.Status, r.closed)
	}

	if err := w.Unenroll(t.Context(), "req-7", endedBy(owner, id, w.clock)); err != nil {
		t.Fatal(err)
	}
	_, err = w.Get(t.Context(), id)
	wantFault(t, err, fault.NodeNotFound)
	wantFault(t, w.Unenroll(t.Context(), "", endedBy(owner, id, w.clock.Add(time.Second))), fault.NodeNotFound) // again
	if !slices.Equal(r.closed, []string{id}) {
		t.Errorf("closed the connections of %v", r.closed)
	}
	for what, sql := range map[string]string{
		"keys retired": "SELECT count(*) FROM node_key JOIN node USING (node_no) WHERE node_id = $1 AND retired_at IS NOT NULL AND NOT rotated",
		"audit":        "SELECT count(*) FROM audit_entry WHERE target = $1 AND action = 'node.unenroll' AND actor = 'device' AND request_id = 'req-7'",
		"event":        "SELECT count(*) FROM event_outbox WHERE node_id = $1 AND kind = 'node' AND body ->> 'change' = 'deleted' AND body ->> 'reason' = 'given up by its machine'",
		"left a pool":  "SELECT count(*) FROM pool_membership JOIN node USING (node_no) WHERE node_id = $1 AND to_at IS NOT NULL",
	} {
		if n := w.count(t, sql, id); n != 1 {
			t.Errorf("%s: %d rows, want 1", what, n)
		}
	}

	// The same machine, with the device key that it kept, may come back as another node.
	back := w.enroll(t, owner.request(t, w.token(t, node.Token{NodeName: "pi-1"}), wire.Inventory{SerialHash: board("b1")}))
	if back.NodeID == id {
		t.Errorf("came back as %s", back.NodeID)
	}
}

// As of deletion: it waits while money is on its way, and what is payable stays
// payable to its owner.
func TestNodeIsNotGivenUpWhileMoneyIsOnItsWay(t *testing.T) {
	w, owner := newWorld(t), newDevice(t)
	id := w.enroll(t, owner.request(t, w.token(t, node.Token{}), wire.Inventory{})).NodeID
	w.setAddress(t, id, addressA)
	w.post(t, ledger.Accrue("e1", w.clock, "pool_home", []ledger.Share{{NodeID: id, Amount: ledger.USDT(20)}}, 0))
	w.post(t, ledger.Reserve("p1", w.clock, id, ledger.USDT(19), ledger.USDT(1)))
	word := endedBy(owner, id, w.clock)
	wantFault(t, w.Unenroll(t.Context(), "", word), fault.StateNotAllowed)
	w.post(t, ledger.Void("p1", w.clock, id, ledger.USDT(19), ledger.USDT(1)))
	if err := w.Unenroll(t.Context(), "", word); err != nil { // what was refused was not used up
		t.Fatal(err)
	}
	balances, err := ledger.BalancesOf(t.Context(), w.pool, ledger.KindPayable, []string{id})
	if err != nil || balances[id] != ledger.USDT(20) {
		t.Errorf("payable to its owner: %v, %v", balances, err)
	}
}

// Whoever has the device key could change the address and then give the node up,
// so that nobody could take the change back.
func TestNodeIsNotGivenUpWhileItsAddressMayBeTakenBack(t *testing.T) {
	w, owner := newWorld(t), newDevice(t)
	id := w.enroll(t, owner.request(t, w.token(t, node.Token{}), wire.Inventory{})).NodeID
	w.post(t, ledger.Accrue("e1", w.clock, "pool_home", []ledger.Share{{NodeID: id, Amount: ledger.USDT(40)}}, 0))
	at := func(field, value string) *wire.SignedChange {
		w.clock = w.clock.Add(time.Second)
		c := &wire.SignedChange{V: 1, NodeID: id, Field: field, Value: value, SignedMs: w.clock.UnixMilli()}
		proof.SignChange(owner.key, c)
		return c
	}
	wantFault(t, w.Unenroll(t.Context(), "", at(wire.FieldEnrolment, wire.EnrolmentEnded)), fault.StateNotAllowed) // to whom are the 40 paid?
	for _, address := range []string{addressA, addressB} {
		if _, err := w.ChangeAddress(t.Context(), "", at(wire.FieldPayoutAddress, address)); err != nil {
			t.Fatal(err)
		}
	}
	wantFault(t, w.Unenroll(t.Context(), "", at(wire.FieldEnrolment, wire.EnrolmentEnded)), fault.StateNotAllowed)
	w.clock = w.clock.Add(node.AddressWait)
	if err := w.Unenroll(t.Context(), "", at(wire.FieldEnrolment, wire.EnrolmentEnded)); err != nil {
		t.Fatal(err)
	}
}

func TestCodeOfAnUnknownNodeIsWhatAgentsExpect(t *testing.T) {
	if fault.NodeNotFound.String() != wire.CodeNodeNotFound {
		t.Errorf("agents take %s for it, it is %s", wire.CodeNodeNotFound, fault.NodeNotFound)
	}
}
