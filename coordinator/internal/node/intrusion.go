package node

import (
	"context"
	"errors"
	"fmt"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// intrusion is a refused enrolment that speaks of a node which is another
// device's: a copied token, or a clone of its board; or of no node, by a token
// that leaked to a board which it does not name. The operator shall see it.
type intrusion struct {
	nodeNo  int32  // 0: of no node
	tokenID string // of no node
	what    string
	error   // what the device is told
}

func (i *intrusion) Unwrap() error { return i.error }

// intrusionsAMinute are told of a token. Who has one can try as often as
// he likes, and the feed is bounded.
const intrusionsAMinute = 1

// refused gives the error of a refused enrolment, and publishes an event when
// it is an intrusion. The refusal left nothing behind, so this is a transaction
// of its own.
func (s *Store) refused(ctx context.Context, token string, refusal error) error {
	found, ok := errors.AsType[*intrusion](refusal)
	if !ok || !s.intrusions.Take(TokenID(token), intrusionsAMinute, s.Now()).Allowed {
		return refusal
	}
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		if found.nodeNo == 0 {
			return event.Publish(ctx, tx, event.Event{Kind: event.Node, At: s.Now(), Body: Stranger{changedIntruder, found.tokenID, found.what}})
		}
		n, err := sqlgen.New(tx).LockStatus(ctx, found.nodeNo)
		if err != nil {
			return err
		}
		c := Changed{Change: changedIntruder, Status: Status(n.Status), Reason: found.what, Online: n.Online}
		return event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, s.Now()))
	})
	if err != nil {
		return errors.Join(refusal, fmt.Errorf("tell of it: %w", err))
	}
	return refusal
}
