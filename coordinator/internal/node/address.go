package node

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node/sqlgen"
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
	if p.due != nil && p.due.After(at) {
		return p.before
	}
	return p.address
}

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
	row, err := q.Payee(ctx, nodeNo)
	if err != nil {
		return fmt.Errorf("read the payout address: %w", err)
	}
	next := payee{row.PayoutAddress, row.PayoutAddressBefore, row.PayoutAddressDue, row.PayoutAddressChangedAt}.changed(to, at, history)
	return q.SetPayee(ctx, sqlgen.SetPayeeParams{
		NodeNo: nodeNo, PayoutAddress: next.address, PayoutAddressBefore: next.before,
		PayoutAddressDue: next.due, PayoutAddressChangedAt: next.changedAt,
	})
}
