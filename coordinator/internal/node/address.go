package node

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/wire"
)

// AddressWait is how long a changed payout address waits before it is paid to.
const AddressWait = 72 * time.Hour

// payee is where a node's earnings go. Until due, when that is set, before is
// paid to; changedAt is nil while the address is the first one.
type payee struct {
	address, before string
	due, changedAt  *time.Time
}

// effective is whom the node is paid at that time; "" for nobody. In SQL it is
// effective_payout_address.
func (p payee) effective(at time.Time) string {
	if p.waits(at) {
		return p.before
	}
	return p.address
}

// waits says that the address does not count yet, and may still be taken back.
func (p payee) waits(at time.Time) bool { return p.due != nil && p.due.After(at) }

// changed is the payee after a change of the address. Taking it away counts at
// once, and so does going back to the one that is still paid to. The first
// address of a node counts at once as well, unless it comes late: with history,
// which is what makes it worth stealing.
func (p payee) changed(to string, at time.Time, history bool) payee {
	effective := p.effective(at)
	first := effective == "" && p.address == "" && p.changedAt == nil && !history
	next := payee{address: to, changedAt: &at}
	switch {
	case to == p.address:
		return p
	case first:
		next.changedAt = nil
	case to != "" && to != effective:
		due := at.Add(AddressWait)
		next.before, next.due = effective, &due
	}
	return next
}

// setAddress changes where a node's earnings go, within the caller's
// transaction, which holds its row.
func setAddress(ctx context.Context, tx db.Tx, nodeNo int32, to string, at time.Time, history bool) error {
	q := sqlgen.New(tx)
	before, err := readPayee(ctx, q, nodeNo)
	if err != nil {
		return err
	}
	next := before.changed(to, at, history)
	return q.SetPayee(ctx, sqlgen.SetPayeeParams{
		NodeNo: nodeNo, PayoutAddress: next.address, PayoutAddressBefore: next.before,
		PayoutAddressDue: next.due, PayoutAddressChangedAt: next.changedAt,
	})
}

func readPayee(ctx context.Context, q *sqlgen.Queries, nodeNo int32) (payee, error) {
	row, err := q.Payee(ctx, nodeNo)
	if err != nil {
		return payee{}, fmt.Errorf("read the payout address: %w", err)
	}
	return payee{row.PayoutAddress, row.PayoutAddressBefore, row.PayoutAddressDue, row.PayoutAddressChangedAt}, nil
}

// ChangeAddress changes where a node's earnings go on the word of its machine,
// whoever carries it; requestID is of the API's request that did.
func (s *Store) ChangeAddress(ctx context.Context, requestID string, c *wire.SignedChange) (Node, error) {
	if c.Field != wire.FieldPayoutAddress {
		return Node{}, fault.New(fault.Validation, "a signed change of %.64q is none of the payout address", c.Field).
			WithFields(fault.Field{Name: "field", Reason: "must be " + wire.FieldPayoutAddress})
	}
	var f findings
	f.address(c.Value)
	if err := f.fault("the address cannot be changed"); err != nil {
		return Node{}, err
	}
	now := s.Now()
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		no, err := s.TakeSigned(ctx, tx, c)
		if err != nil {
			return err
		}
		before, err := sqlgen.New(tx).Payee(ctx, no)
		if err != nil {
			return err
		}
		if err := setAddress(ctx, tx, no, c.Value, now, false); err != nil {
			return err
		}
		by := audit.By{Actor: audit.Device, RequestID: requestID}
		address := func(text string) map[string]string { return map[string]string{"payout_address": text} }
		return audit.Write(ctx, tx, by.Record("node.payout_address", c.NodeID, address(before.PayoutAddress), address(c.Value)).AtTime(now))
	})
	if err != nil {
		return Node{}, err
	}
	return s.Get(ctx, c.NodeID)
}
