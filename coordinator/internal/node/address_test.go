package node_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Addresses of contracts, public knowledge.
const (
	addressA = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	addressB = "TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR"
	addressC = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"
)

// paidTo is the address that counts at a time, by the database.
func (w *world) paidTo(t *testing.T, no int32, at time.Time) (address string) {
	t.Helper()
	err := w.pool.QueryRow(t.Context(), `SELECT effective_payout_address(payout_address, payout_address_before, payout_address_due, $2)
		FROM node WHERE node_no = $1`, no, at).Scan(&address)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func (w *world) wantPaidTo(t *testing.T, no int32, at time.Time, want string) {
	t.Helper()
	if got := w.paidTo(t, no, at); got != want {
		t.Errorf("at %s paid to %q, want %q", at.Format(time.DateTime), got, want)
	}
}

func (w *world) setAddress(t *testing.T, id, address string) node.Node {
	t.Helper()
	n, err := w.Update(t.Context(), audit.By{Actor: "user_test"}, id, node.Update{PayoutAddress: &address})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestChangedAddressWaits(t *testing.T) {
	w := newWorld(t)
	n, _ := w.create(t, node.New{Name: "attic-pi", Type: "worker"})
	if n = w.setAddress(t, n.ID, addressA); n.AddressDue != nil {
		t.Errorf("the first address waits until %s", n.AddressDue)
	}
	w.wantPaidTo(t, n.No, w.clock, addressA)

	changed := w.clock
	n = w.setAddress(t, n.ID, addressB)
	due := changed.Add(72 * time.Hour)
	if n.PayoutAddress != addressB || n.AddressDue == nil || !n.AddressDue.Equal(due) {
		t.Errorf("%s from %v, want from %s", n.PayoutAddress, n.AddressDue, due)
	}
	w.wantPaidTo(t, n.No, due.Add(-time.Microsecond), addressA)
	w.wantPaidTo(t, n.No, due, addressB)

	w.clock = changed.Add(71 * time.Hour) // a third one waits anew, and the second never counts
	n = w.setAddress(t, n.ID, addressC)
	w.wantPaidTo(t, n.No, due.Add(time.Hour), addressA)
	w.wantPaidTo(t, n.No, w.clock.Add(72*time.Hour), addressC)

	n = w.setAddress(t, n.ID, addressA) // back to the one that still counts
	w.wantPaidTo(t, n.No, w.clock, addressA)
	if n.AddressDue != nil {
		t.Errorf("going back waits until %s", n.AddressDue)
	}
	n = w.setAddress(t, n.ID, "") // nobody is paid, at once
	w.wantPaidTo(t, n.No, w.clock, "")
	n = w.setAddress(t, n.ID, addressA) // and who takes it away and gives another cannot hurry
	w.wantPaidTo(t, n.No, w.clock, "")
	w.wantPaidTo(t, n.No, w.clock.Add(72*time.Hour), addressA)
}

// The address that a device brings when it enrols again is a change, and so is
// the first one of a node that has earned.
func TestAddressOfAReenrolmentWaits(t *testing.T) {
	for name, c := range map[string]struct {
		before      string
		earned      bool
		now, waited string
	}{
		"another address":         {addressA, false, addressA, addressB},
		"first, without earnings": {"", false, addressB, addressB},
		"first, with earnings":    {"", true, "", addressB},
	} {
		t.Run(name, func(t *testing.T) {
			w, device := newWorld(t), newDevice(t)
			req := device.request(t, w.token(t, node.Token{}), wire.Inventory{SerialHash: board("board")})
			first := w.enroll(t, req)
			no, _, err := w.LiveKeys(t.Context(), first.NodeID)
			if err != nil {
				t.Fatal(err)
			}
			w.setAddress(t, first.NodeID, c.before)
			if c.earned {
				err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
					_, err := ledger.Post(t.Context(), tx, ledger.Accrue("e", w.clock, "pool_a", []ledger.Share{{NodeID: first.NodeID, Amount: 5}}, 0))
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			next := newDevice(t)
			again := next.request(t, w.token(t, node.Token{NodeNo: &no}), wire.Inventory{SerialHash: board("board")})
			again.PayoutAddress = addressB
			again.Signature = ed25519.Sign(next.key, proof.EnrollRequestTranscript(again))
			w.enroll(t, again)
			w.wantPaidTo(t, no, w.clock, c.now)
			w.wantPaidTo(t, no, w.clock.Add(72*time.Hour), c.waited)
		})
	}
}

// The machine's own word changes the address, once, and it waits as any change.
func TestSignedChangeOfTheAddress(t *testing.T) {
	w, owner := newWorld(t), newDevice(t)
	id := w.enroll(t, owner.request(t, w.token(t, node.Token{}), wire.Inventory{})).NodeID
	w.setAddress(t, id, addressA)
	sign := func(field, value string) *wire.SignedChange {
		c := &wire.SignedChange{V: 1, NodeID: id, Field: field, Value: value, SignedMs: w.clock.UnixMilli()}
		proof.SignChange(owner.key, c)
		return c
	}
	_, err := w.ChangeAddress(t.Context(), "", sign("name", addressB))
	wantFault(t, err, fault.Validation)
	_, err = w.ChangeAddress(t.Context(), "", sign(wire.FieldPayoutAddress, "T1"))
	wantFault(t, err, fault.BadPayoutAddress)
	forged := sign(wire.FieldPayoutAddress, addressC)
	forged.Value = addressB
	_, err = w.ChangeAddress(t.Context(), "", forged)
	wantFault(t, err, fault.Validation)
	n, err := w.ChangeAddress(t.Context(), "", sign(wire.FieldPayoutAddress, addressB))
	if err != nil || n.PayoutAddress != addressB || n.AddressDue == nil || !n.AddressDue.Equal(w.clock.Add(72*time.Hour)) {
		t.Fatalf("%+v, %v", n, err)
	}
	w.wantPaidTo(t, n.No, w.clock, addressA)
	_, err = w.ChangeAddress(t.Context(), "", sign(wire.FieldPayoutAddress, addressB))
	wantFault(t, err, fault.Validation)
	if got := w.count(t, `SELECT count(*) FROM audit_entry WHERE action = 'node.payout_address' AND actor = 'device' AND target = $1`, id); got != 1 {
		t.Errorf("%d audit entries of one change", got)
	}
}
