package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// tellAgainAfter is how long a node is left alone that did not take a move.
const tellAgainAfter = time.Hour

// hashPlaces names what a node was told.
func hashPlaces(mqtt []string, caPEM string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(mqtt, "\n") + "\n\n" + caPEM))
	return sum[:]
}

// whereabouts are what nodes are to know now.
func (s *Store) whereabouts(nodeID string) *wire.Whereabouts {
	w := &wire.Whereabouts{MQTT: s.MQTT, CAPEM: s.CAPEM()}
	proof.SignWhereabouts(s.EnrolmentKey, nodeID, w)
	return w
}

// Untold counts the nodes that do not know yet where the coordinator is and
// which CAs to trust, as it is now.
func (s *Store) Untold(ctx context.Context) (int64, error) {
	return sqlgen.New(s.Pool).CountUntold(ctx, hashPlaces(s.MQTT, s.CAPEM()))
}

// RunOnceMove tells connected nodes where the coordinator is and by which CAs
// it is known, when they were last told otherwise. Only the coordinator with the
// broker calls it.
func (s *Store) RunOnceMove(ctx context.Context) error {
	now, places := s.Now(), hashPlaces(s.MQTT, s.CAPEM())
	due, err := sqlgen.New(s.Pool).DueMoves(ctx, sqlgen.DueMovesParams{Places: places, ToldBefore: now.Add(-tellAgainAfter), Most: mostOffers})
	if err != nil {
		return fmt.Errorf("read who is to know where the coordinator is: %w", err)
	}
	var failed error
	for _, d := range due {
		err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
			q := sqlgen.New(tx)
			if _, err := q.LockStatus(ctx, d.NodeNo); err != nil {
				return err
			}
			marked, err := q.MarkTelling(ctx, sqlgen.MarkTellingParams{NodeNo: d.NodeNo, Places: places, At: now})
			if err != nil || marked == 0 {
				return err // a command came first, or the node is gone
			}
			_, err = q.InsertCommand(ctx, sqlgen.InsertCommandParams{
				CommandID: uuid.New(), NodeNo: d.NodeNo, Kind: string(wire.CommandMove), IssuedAt: now, ExpiresAt: now.Add(s.CommandTimeout),
			})
			return err
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("tell %s where the coordinator is: %w", d.NodeID, err))
		}
	}
	return failed
}
