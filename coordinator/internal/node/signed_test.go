package node_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func (w *world) takeSigned(t *testing.T, c *wire.SignedChange) error {
	t.Helper()
	return db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := w.TakeSigned(t.Context(), tx, c)
		return err
	})
}

func TestSignedChangeIsTakenOnceAndOnlyOfTheLivingDeviceKey(t *testing.T) {
	w, owner := newWorld(t), newDevice(t)
	id := w.enroll(t, owner.request(t, w.token(t, node.Token{}), wire.Inventory{})).NodeID
	sign := func(d device, at time.Time) *wire.SignedChange {
		c := &wire.SignedChange{V: 1, NodeID: id, Field: wire.FieldPayoutAddress, Value: "T1", SignedMs: at.UnixMilli()}
		proof.SignChange(d.key, c)
		return c
	}
	good := sign(owner, w.clock)
	altered := *good
	altered.Value = "T2"
	wantFault(t, w.takeSigned(t, &altered), fault.Validation)
	wantFault(t, w.takeSigned(t, sign(newDevice(t), w.clock)), fault.Validation)
	wantFault(t, w.takeSigned(t, sign(owner, w.clock.Add(-16*time.Minute))), fault.Validation)
	wantFault(t, w.takeSigned(t, sign(owner, w.clock.Add(2*time.Minute))), fault.Validation)
	unknown := *good
	unknown.NodeID = "node_nobody"
	wantFault(t, w.takeSigned(t, &unknown), fault.NodeNotFound)
	if err := w.takeSigned(t, good); err != nil {
		t.Fatal(err)
	}
	wantFault(t, w.takeSigned(t, good), fault.Validation)
	w.clock = w.clock.Add(time.Second)
	if err := w.takeSigned(t, sign(owner, w.clock)); err != nil {
		t.Fatal(err)
	}

	// Another board takes the node over: the old device decides nothing more.
	n := w.get(t, id)
	heir := newDevice(t)
	w.enroll(t, heir.request(t, w.token(t, node.Token{NodeNo: &n.No}), wire.Inventory{}))
	w.clock = w.clock.Add(time.Second)
	wantFault(t, w.takeSigned(t, sign(owner, w.clock)), fault.Validation)
	if err := w.takeSigned(t, sign(heir, w.clock)); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), audit.By{Actor: audit.CLI}, id, nil); err != nil {
		t.Fatal(err)
	}
	wantFault(t, w.takeSigned(t, sign(heir, w.clock.Add(time.Second))), fault.NodeNotFound)
}
