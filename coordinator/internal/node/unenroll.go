package node

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/wire"
)

// Unenroll is Delete on the word of the node's machine, whoever carries it: it
// gives the node up. requestID is of the API's request that did.
func (s *Store) Unenroll(ctx context.Context, requestID string, c *wire.SignedChange) error {
	if c.Field != wire.FieldEnrolment || c.Value != wire.EnrolmentEnded {
		return fault.New(fault.Validation, "a signed change of %.64q to %.64q gives no node up", c.Field, c.Value).
			WithFields(fault.Field{Name: "field", Reason: "must be " + wire.FieldEnrolment + ", and the value " + wire.EnrolmentEnded})
	}
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		row, before, err := lock(ctx, tx, c.NodeID, nil) // first, as deletion does: TakeSigned's lock is a weaker one
		if err != nil {
			return err
		}
		if _, err := s.TakeSigned(ctx, tx, c); err != nil {
			return err
		}
		if err := s.addressSettled(ctx, tx, row); err != nil {
			return err
		}
		by := audit.By{Actor: audit.Device, RequestID: requestID}
		return s.retire(ctx, tx, row, before, by.Record("node.unenroll", c.NodeID, before, nil), "given up by its machine")
	})
	if err != nil {
		return fmt.Errorf("unenroll %s: %w", c.NodeID, err)
	}
	s.Disconnect(c.NodeID, "given up by its machine")
	return nil
}

// addressSettled refuses while the payout address would be what nobody can mend
// afterwards: one that was changed waits so that its owner can take it back, and
// what was earned needs one. Whoever stole the device key could change it and give
// the node up; an admin may still delete the node.
func (s *Store) addressSettled(ctx context.Context, tx db.Tx, row sqlgen.LockNodeRow) error {
	p, err := readPayee(ctx, sqlgen.New(tx), row.NodeNo)
	if err != nil {
		return err
	}
	if p.waits(s.Now()) {
		return fault.New(fault.StateNotAllowed, "the payout address of %s was changed and counts from %s: give the node up after that, or take the change back",
			row.NodeID, p.due.UTC().Format(time.RFC3339))
	}
	balances, err := ledger.Balances(ctx, tx, row.NodeID)
	if err != nil {
		return err
	}
	if earned := balances[ledger.KindPayable] + balances[ledger.KindHeld]; earned != 0 && p.address == "" {
		return fault.New(fault.StateNotAllowed, "%s has earned %s %s and has no payout address: set one first, since afterwards nobody can", row.NodeID, earned, ledger.Asset)
	}
	return nil
}
