package node

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
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
		by := audit.By{Actor: audit.Device, RequestID: requestID}
		return s.retire(ctx, tx, row, before, by.Record("node.unenroll", c.NodeID, before, nil), "given up by its machine")
	})
	if err != nil {
		return fmt.Errorf("unenroll %s: %w", c.NodeID, err)
	}
	s.Disconnect(c.NodeID, "given up by its machine")
	return nil
}
