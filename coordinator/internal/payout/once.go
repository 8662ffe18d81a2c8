package payout

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Once runs make for the first call that somebody makes under a key, within the
// caller's transaction, and remembers the id of what it made. The same call
// again gives that id and makes nothing; another one under the same key is
// fault.IdempotencyReuse. call names what is asked, input how, as JSON shows it.
func Once(ctx context.Context, tx db.Tx, by audit.By, key, call string, input any, at time.Time, make func() (id string, err error)) (string, error) {
	if err := checkText("Idempotency-Key", key, maxKey); err != nil {
		return "", err
	}
	asked, err := json.Marshal(input)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256(append([]byte(call+"\x00"), asked...))
	name := sha256.Sum256([]byte(by.Actor + "\x00" + key))
	q := sqlgen.New(tx)
	if err := q.TakeRequestTurn(ctx, name[:]); err != nil { // of two at once, the second finds what the first one made
		return "", fmt.Errorf("take the turn of an Idempotency-Key: %w", err)
	}
	first, err := q.FindRequest(ctx, name[:])
	switch {
	case err == nil && !bytes.Equal(first.Input, hash[:]):
		return "", fault.New(fault.IdempotencyReuse, "this Idempotency-Key made %s from other input; use a new one", first.Made)
	case err == nil:
		return first.Made, nil
	case !errors.Is(err, pgx.ErrNoRows):
		return "", fmt.Errorf("look for an Idempotency-Key: %w", err)
	}
	id, err := make()
	if err != nil {
		return "", err
	}
	return id, q.InsertRequest(ctx, sqlgen.InsertRequestParams{RequestKey: name[:], Input: hash[:], Made: id, At: at})
}
