package challenge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Bounds of one round. The heartbeat waits for its end, so one that took long
// would look like an outage of ours; the next round goes on.
const (
	most      = 1000
	roundTime = time.Second // for closing, and again for issuing
)

// RunOnce closes what nobody answered and challenges every node whose moment
// has come. One that fails does not keep the others from it. Only the
// coordinator that holds the lease calls it.
func (r *Referee) RunOnce(ctx context.Context) error {
	failed := r.expire(ctx)
	now := r.Now()
	due, err := sqlgen.New(r.Pool).Due(ctx, sqlgen.DueParams{
		At: now, Settled: now.Add(settling), AllStates: now.Sub(r.started) >= r.Quiet, Most: most,
	})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("read who is due: %w", err))
	}
	for _, d := range due {
		if err := r.issue(ctx, d); err != nil {
			failed = errors.Join(failed, fmt.Errorf("challenge %s: %w", d.NodeID, err))
		}
		if r.Now().Sub(now) > roundTime {
			break
		}
	}
	return failed
}

// settling is the time that a node gets from its connection on to subscribe: a
// challenge before that reaches nobody, and would be judged missed. With the
// pulse of a second a starting node is still challenged within two.
const settling = 800 * time.Millisecond

// NodeConnected draws a node's next moment: as soon as it can hear for one that
// has yet to prove itself, else never at a moment that its own connecting decides.
func (r *Referee) NodeConnected(ctx context.Context, nodeNo int32, status node.Status) error {
	q, now := sqlgen.New(r.Pool), r.Now()
	if status == node.Starting {
		return q.SetNext(ctx, sqlgen.SetNextParams{NodeNo: nodeNo, NextAt: now.Add(settling)})
	}
	return q.RenewPast(ctx, sqlgen.RenewPastParams{NodeNo: nodeNo, NextAt: now.Add(gap(r.Interval, r.Exponential())), At: now})
}

// issue stores a challenge, then sends it: what is sent can always be judged.
func (r *Referee) issue(ctx context.Context, d sqlgen.DueRow) error {
	_, keys, err := r.Nodes.LiveKeys(ctx, d.NodeID)
	if err != nil {
		return err
	}
	now := r.Now()
	c := proof.Challenge{
		NodeID: d.NodeID, KeyEpoch: keys.Epoch, Session: uint64(d.SessionNo),
		IssuedMs: now.UnixMilli(), DeadlineMs: now.Add(r.Deadline).UnixMilli(), Difficulty: uint8(r.Difficulty),
	}
	_, _ = rand.Read(c.ID[:]) // crypto/rand.Read never fails
	_, _ = rand.Read(c.Seed[:])
	c.SetTargets(r.PuzzleKey, r.Count)
	canonical := c.Encode(keys.Challenge)
	stored, err := r.store(ctx, d.NodeNo, &c, canonical, now)
	if err != nil || !stored {
		return err
	}
	return r.Publish(d.NodeID, wire.ChannelChallenge, wire.Challenge{
		V: wire.ProtocolVersion, ChallengeID: hex.EncodeToString(c.ID[:]), IssuedMs: c.IssuedMs, DeadlineMs: c.DeadlineMs,
		Difficulty: r.Difficulty, Count: r.Count, Bytes: canonical,
	})
}

func (r *Referee) store(ctx context.Context, nodeNo int32, c *proof.Challenge, canonical []byte, now time.Time) (stored bool, err error) {
	err = db.InTx(ctx, r.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		n, err := q.InsertChallenge(ctx, sqlgen.InsertChallengeParams{
			ChallengeID: uuid.UUID(c.ID), NodeNo: nodeNo, KeyEpoch: int32(c.KeyEpoch), SessionNo: int64(c.Session),
			IssuedAt: now, DeadlineAt: now.Add(r.Deadline), ExpiresAt: now.Add(r.Validity), Canonical: canonical,
		})
		if stored = n == 1; err != nil || !stored {
			return err // the node is not due any more
		}
		return q.SetNext(ctx, sqlgen.SetNextParams{NodeNo: nodeNo, NextAt: now.Add(gap(r.Interval, r.Exponential()))})
	})
	return stored, err
}

// expire gives a verdict on every challenge whose validity ended unanswered, or
// that nobody is to answer any more.
func (r *Referee) expire(ctx context.Context) error {
	now := r.Now()
	rows, err := sqlgen.New(r.Pool).Ending(ctx, sqlgen.EndingParams{At: now, Most: most})
	if err != nil {
		return fmt.Errorf("read unanswered challenges: %w", err)
	}
	var failed error
	for _, row := range rows {
		if r.Now().Sub(now) > roundTime {
			break
		}
		v := Verdict{ChallengeID: proof.ID(row.ChallengeID), NodeNo: row.NodeNo, Result: Missed, Reason: reasonSilence, At: r.Now()}
		judged, err := r.conclude(ctx, &v, nil, func(ctx context.Context, tx db.Tx) error {
			if row.Withdrawn {
				v.Result, v.Reason = Void, reasonWithdrawn
				return nil
			}
			ours, err := r.OurFault(ctx, tx, row.IssuedAt, row.ExpiresAt)
			if ours {
				v.Result, v.Reason = Void, reasonOurFault
			}
			return err
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("close challenge %s of node %d: %w", row.ChallengeID, row.NodeNo, err))
		}
		if judged != nil {
			r.AfterVerdict(judged.nodeID, v, judged.standing)
			// A node that stopped reading can hold a message up for seconds.
			go r.publishVerdict(judged.nodeID, v, judged.standing)
		}
	}
	return failed
}
