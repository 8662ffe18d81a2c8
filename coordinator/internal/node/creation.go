package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// creation tells a request that makes a node from others, by hashes: whose it
// is and its key, and what it asks for. Without a key it is empty.
type creation struct{ key, input []byte }

func creationOf(by audit.By, n New) (c creation, err error) {
	if n.Key == "" {
		return c, nil
	}
	asked, err := json.Marshal(n) // maps come out in the order of their keys
	if err != nil {
		return c, err
	}
	key, input := sha256.Sum256([]byte(by.Actor+"\x00"+n.Key)), sha256.Sum256(asked)
	return creation{key[:], input[:]}, nil
}

// find gives the node that the same request made before. It takes the key's
// turn until the transaction ends, so that of two at once the second one finds
// what the first one made.
func (c creation) find(ctx context.Context, tx db.Tx) (made sqlgen.NodeByCreationRow, again bool, err error) {
	if c.key == nil {
		return made, false, nil
	}
	q := sqlgen.New(tx)
	if err := q.TakeCreationTurn(ctx, c.key); err != nil {
		return made, false, err
	}
	made, err = q.NodeByCreation(ctx, c.key)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return made, false, nil
	case err != nil:
		return made, false, err
	case !bytes.Equal(made.CreationInput, c.input):
		return made, false, fault.New(fault.IdempotencyReuse, "this Idempotency-Key made %s from other input; use a new one", made.NodeID)
	case made.DeletedAt != nil:
		return made, false, fault.New(fault.StateNotAllowed, "this Idempotency-Key made %s, which was deleted; use a new one", made.NodeID)
	case Status(made.Status) != Pending:
		return made, false, fault.New(fault.StateNotAllowed, "this Idempotency-Key made %s, which has its device by now", made.NodeID)
	}
	return made, true, nil
}
