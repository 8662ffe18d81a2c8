package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// How old a signed change may be, and how far ahead the machine's clock.
const (
	changeLife  = 15 * time.Minute
	changeAhead = time.Minute
)

// TakeSigned accepts a change that the node's device key signed, once, within
// the caller's transaction, which then makes the change. It locks the node's
// row. A wrong signature, one that is too old and one that came before are
// Validation faults that name the field.
func (s *Store) TakeSigned(ctx context.Context, tx db.Tx, c *wire.SignedChange) (nodeNo int32, err error) {
	refuse := func(field, format string, args ...any) error {
		reason := fmt.Sprintf(format, args...)
		return fault.New(fault.Validation, "the signed change of %s is refused: %s %s", c.NodeID, field, reason).
			WithFields(fault.Field{Name: field, Reason: reason})
	}
	if err := c.Check(); err != nil {
		return 0, refuse("signed_change", "is malformed: %s", err)
	}
	row, err := sqlgen.New(tx).LockSigner(ctx, c.NodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.NodeNotFound, "no enrolled node %s", c.NodeID)
	} else if err != nil {
		return 0, fmt.Errorf("device key of %s: %w", c.NodeID, err)
	}
	if err := proof.VerifyChange(row.DevicePublic, c); err != nil {
		return 0, refuse("signature", "is not by the device key of the node over this change")
	}
	switch now, signed := s.Now(), time.UnixMilli(c.SignedMs); {
	case c.SignedMs <= row.SignedChangeMs:
		return 0, refuse("signed_ms", "is not above that of the change before: sign it anew")
	case now.Sub(signed) > changeLife:
		return 0, refuse("signed_ms", "is more than %s ago: sign it anew", changeLife)
	case signed.Sub(now) > changeAhead:
		return 0, refuse("signed_ms", "is more than %s ahead: set the machine's clock and sign it anew", changeAhead)
	}
	err = sqlgen.New(tx).SetSignedChange(ctx, sqlgen.SetSignedChangeParams{NodeNo: row.NodeNo, SignedChangeMs: c.SignedMs})
	return row.NodeNo, err
}
