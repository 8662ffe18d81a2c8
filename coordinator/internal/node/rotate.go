package node

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const (
	// offerAgainAfter is how long a node is left alone that did not take an offer.
	offerAgainAfter = 10 * time.Minute
	// mostOffers bounds a round: a fleet does not rotate in one wave.
	mostOffers = 200
	// noAge is older than any key.
	noAge = 100 * 365 * 24 * time.Hour
)

// Rotation is how far the keys of the fleet are.
type Rotation struct {
	Nodes       int64     // with a key
	Asked       int64     // of which an operator wants another one
	Overlapping int64     // whose key before is still good
	Oldest      time.Time // when the oldest living key was made; now without any
}

// RotateKeys asks for new keys of these nodes, or of all when none is named.
// Each gets it within seconds of being connected; one that refuses is asked
// again every ten minutes.
func (s *Store) RotateKeys(ctx context.Context, by audit.By, nodeIDs []string) (asked int64, err error) {
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		if nodeIDs == nil {
			nodeIDs = []string{}
		}
		if asked, err = sqlgen.New(tx).AskRotation(ctx, sqlgen.AskRotationParams{At: now, NodeIds: nodeIDs}); err != nil {
			return err
		}
		if asked < int64(len(nodeIDs)) {
			return fault.New(fault.NodeNotFound, "%d of the %d nodes do not exist, or never enrolled: nothing was asked", int64(len(nodeIDs))-asked, len(nodeIDs))
		}
		target := "all nodes"
		if len(nodeIDs) == 1 {
			target = nodeIDs[0]
		}
		return audit.Write(ctx, tx, by.Record("node.ask_rotation", target, nil, map[string]any{"nodes": asked}).AtTime(now))
	})
	if err != nil {
		return 0, fmt.Errorf("rotate keys: %w", err)
	}
	return asked, nil
}

// renewOldKey has the key replaced of a node that went back to it, since this
// database was restored from a backup that knows no newer one: whoever stole it
// could use it again. It is told of once, also where an operator asked before.
func (s *Store) renewOldKey(ctx context.Context, nodeNo int32, newest uint32) error {
	now := s.Now()
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		n, err := q.LockStatus(ctx, nodeNo)
		if err != nil {
			return err
		}
		came, err := q.KeyCameBack(ctx, sqlgen.KeyCameBackParams{NodeNo: nodeNo, At: now})
		if err != nil || came == 0 {
			return err // it is told of already
		}
		seen := fmt.Sprintf("it had key epoch %d, which this database lost in a restore: its former key counts again until it is rotated", newest)
		c := Changed{Change: changedKeyBack, Status: Status(n.Status), Reason: seen, Online: n.Online}
		if err := event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, now)); err != nil {
			return err
		}
		by := audit.By{Actor: audit.System}
		return audit.Write(ctx, tx, by.Record("node.ask_rotation", n.NodeID, nil, map[string]any{"lost_key_epoch": newest}).AtTime(now))
	})
	if err != nil {
		return fmt.Errorf("renew the key of node %d after a restore: %w", nodeNo, err)
	}
	return nil
}

// Rotation tells how far the keys of the fleet are.
func (s *Store) Rotation(ctx context.Context) (Rotation, error) {
	r, err := sqlgen.New(s.Pool).RotationState(ctx, s.Now())
	return Rotation{Nodes: r.Nodes, Asked: r.Asked, Overlapping: r.Overlapping, Oldest: r.Oldest}, err
}

// RunOnceRotation offers the next key to connected nodes whose key is old or
// whose operator asked. Only the coordinator with the broker calls it.
func (s *Store) RunOnceRotation(ctx context.Context) error {
	q, now := sqlgen.New(s.Pool), s.Now()
	age := s.KeyAge
	if age == 0 {
		age = noAge
	}
	failed := q.DropEndedOffers(ctx)
	due, err := q.DueRotations(ctx, sqlgen.DueRotationsParams{MadeBefore: now.Add(-age), OfferedBefore: now.Add(-offerAgainAfter), Most: mostOffers})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("read whose key is to be rotated: %w", err))
	}
	for _, d := range due {
		if err := db.InTx(ctx, s.Pool, func(tx db.Tx) error { return s.offerKey(ctx, tx, d.NodeNo, d.NodeID, now) }); err != nil {
			failed = errors.Join(failed, fmt.Errorf("offer a key to %s: %w", d.NodeID, err))
		}
	}
	return failed
}

// offerKey stores this side's half of an exchange and the command that carries
// it. It is sent like every command, and again to a new session.
func (s *Store) offerKey(ctx context.Context, tx db.Tx, nodeNo int32, nodeID string, now time.Time) error {
	q := sqlgen.New(tx)
	if _, err := q.LockStatus(ctx, nodeNo); err != nil {
		return err
	}
	marked, err := q.MarkOffered(ctx, sqlgen.MarkOfferedParams{NodeNo: nodeNo, At: now, OfferedBefore: now.Add(-offerAgainAfter)})
	if err != nil || marked == 0 {
		return err // a command came first, or the node is gone
	}
	epoch, err := q.NextKeyEpoch(ctx, nodeNo)
	if err != nil {
		return err
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	offer := &wire.KeyOffer{KeyEpoch: uint32(epoch), X25519Public: private.PublicKey().Bytes()}
	proof.SignOffer(s.EnrolmentKey, nodeID, offer)
	id := uuid.New()
	_, err = q.InsertCommand(ctx, sqlgen.InsertCommandParams{
		CommandID: id, NodeNo: nodeNo, Kind: string(wire.CommandRotateKey), IssuedAt: now, ExpiresAt: now.Add(s.CommandTimeout),
	})
	if err != nil {
		return err
	}
	return q.PutOffer(ctx, sqlgen.PutOfferParams{
		NodeNo: nodeNo, CommandID: id, KeyEpoch: epoch, X25519Public: offer.X25519Public, Signature: offer.Signature,
		ExchangeBox: s.Box.Seal(private.Bytes(), exchangeAs(nodeID, offer.KeyEpoch)),
	})
}

// takeKey makes a node's next key of its answer; rotates is false when the
// command was another one. What was committed is never undone: the same answer
// again finds its command ended.
func (s *Store) takeKey(ctx context.Context, tx db.Tx, nodeNo int32, command uuid.UUID, answer *wire.KeyAnswer, now time.Time) (rotates bool, err error) {
	q := sqlgen.New(tx)
	n, err := q.LockStatus(ctx, nodeNo) // before the command, as whoever gives one
	if err != nil {
		return false, err
	}
	row, err := q.OpenOffer(ctx, sqlgen.OpenOfferParams{CommandID: command, NodeNo: nodeNo})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	offer := &wire.KeyOffer{KeyEpoch: uint32(row.KeyEpoch), X25519Public: row.X25519Public, Signature: row.Signature}
	if answer == nil || proof.VerifyAnswer(row.DevicePublic, row.NodeID, offer, answer) != nil {
		const what = "its key was to be rotated, and the answer was not signed by its device key"
		c := Changed{Change: changedIntruder, Status: Status(n.Status), Reason: what, Online: n.Online}
		if err := event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, now)); err != nil {
			return true, err
		}
		return true, endCommand(ctx, tx, nodeNo, command, "refused", "the answer is not signed by the device key", now)
	}
	next, err := q.NextKeyEpoch(ctx, nodeNo)
	if err != nil {
		return true, err
	}
	if next != row.KeyEpoch {
		return true, endCommand(ctx, tx, nodeNo, command, "refused", "the node enrolled again meanwhile", now)
	}
	private, err := s.exchangeKey(&row)
	if err != nil {
		return true, err
	}
	root, err := proof.RotatedRoot(private, answer.X25519Public, row.NodeID, offer, answer.X25519Public)
	if err != nil { // the device's half is no key
		return true, endCommand(ctx, tx, nodeNo, command, "refused", err.Error(), now)
	}
	return true, s.replaceKey(ctx, tx, nodeNo, command, &row, root, now)
}

func (s *Store) exchangeKey(row *sqlgen.OpenOfferRow) (*ecdh.PrivateKey, error) {
	raw, err := s.Box.Open(row.ExchangeBox, exchangeAs(row.NodeID, uint32(row.KeyEpoch)))
	if err != nil {
		return nil, fmt.Errorf("exchange key of %s: %w", row.NodeID, err)
	}
	return ecdh.X25519().NewPrivateKey(raw)
}

// replaceKey puts the next key into use beside the one before, which stays good
// for the overlap; so does the session that it opened.
func (s *Store) replaceKey(ctx context.Context, tx db.Tx, nodeNo int32, command uuid.UUID, row *sqlgen.OpenOfferRow, root proof.Key, now time.Time) error {
	q, ends := sqlgen.New(tx), now.Add(s.KeyOverlap)
	if err := q.ReplaceKey(ctx, sqlgen.ReplaceKeyParams{NodeNo: nodeNo, At: now, Ends: ends}); err != nil {
		return err
	}
	err := q.InsertKey(ctx, sqlgen.InsertKeyParams{
		NodeNo: nodeNo, KeyEpoch: row.KeyEpoch, DevicePublic: row.DevicePublic, CreatedAt: now,
		RootBox: s.Box.Seal(root[:], sealedAs(row.NodeID, uint32(row.KeyEpoch))),
	})
	if err != nil {
		return err
	}
	if err := q.EndSessionAt(ctx, sqlgen.EndSessionAtParams{NodeNo: nodeNo, SessionUntil: &ends}); err != nil {
		return err
	}
	if err := q.DropOffer(ctx, nodeNo); err != nil {
		return err
	}
	if err := endCommand(ctx, tx, nodeNo, command, "done", "", now); err != nil {
		return err
	}
	by := audit.By{Actor: audit.Device}
	return audit.Write(ctx, tx, by.Record("node.rotate_key", row.NodeID, map[string]any{"key_epoch": row.KeyEpoch - 1, "good_until": ends.UTC()},
		map[string]any{"key_epoch": row.KeyEpoch}).AtTime(now))
}

// exchangeAs binds a sealed exchange key to its node and the epoch that it is for.
func exchangeAs(nodeID string, epoch uint32) []byte {
	return fmt.Appendf(nil, "node exchange/%s/%d", nodeID, epoch)
}
