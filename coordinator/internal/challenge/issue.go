package challenge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// target is a node that is to be challenged in the session that it has.
type target = sqlgen.DueRow

// issue challenges nodes in one instant. All challenges are stored, then sent:
// what is sent can always be judged. Nodes whose keys cannot be read keep nobody
// else from it.
func (r *Referee) issue(ctx context.Context, targets []target, cohort bool) error {
	if len(targets) == 0 {
		return nil
	}
	nodeNos := make([]int32, len(targets))
	for i, t := range targets {
		nodeNos[i] = t.NodeNo
	}
	keys, failed := r.Nodes.LiveKeysOf(ctx, nodeNos)
	b := batch{at: r.Now(), cohort: cohort}
	for _, t := range targets {
		if k, found := keys[t.NodeNo]; found {
			b.add(r, t, &k)
		}
	}
	if len(b.nodeNos) == 0 {
		return failed
	}
	if err := b.store(ctx, r); err != nil {
		return errors.Join(failed, fmt.Errorf("store %d challenges: %w", len(b.nodeNos), err))
	}
	for i, message := range b.messages {
		if !b.stored[b.nodeNos[i]] {
			continue
		}
		if err := r.Publish(b.nodeIDs[i], wire.ChannelChallenge, message); err != nil {
			failed = errors.Join(failed, fmt.Errorf("challenge %s: %w", b.nodeIDs[i], err))
		}
	}
	return failed
}

// batch is the challenges of one instant, a column a slice, as they go into the
// database.
type batch struct {
	at     time.Time
	cohort bool

	nodeIDs   []string
	messages  []wire.Challenge
	ids       []uuid.UUID
	nodeNos   []int32
	epochs    []int32
	sessions  []int64
	deadlines []time.Time
	canonical [][]byte
	bits      []int16
	next      []time.Time
	demanded  []bool

	stored map[int32]bool // by node number; the others had left, or have a challenge already
}

func (b *batch) add(r *Referee, t target, keys *node.Keys) {
	deadline, known := b.at.Add(r.Deadline), tuning{bits: int(t.TunedBits)}
	difficulty := bitsFor(nearest(int(t.NodeBits), int(t.PoolBits), r.Difficulty), t.Model, known, r.Count, r.Deadline)
	if b.cohort {
		solving := solvingTime(rateShown(t.Model, known, r.Count), r.Count, difficulty)
		deadline = b.at.Add(cohortDeadline(solving, r.Deadline))
	}
	c := proof.Challenge{
		NodeID: t.NodeID, KeyEpoch: keys.Epoch, Session: uint64(t.SessionNo),
		IssuedMs: b.at.UnixMilli(), DeadlineMs: deadline.UnixMilli(), Difficulty: uint8(difficulty),
	}
	_, _ = rand.Read(c.ID[:]) // crypto/rand.Read never fails
	_, _ = rand.Read(c.Seed[:])
	c.SetTargets(r.PuzzleKey, r.Count)
	canonical := c.Encode(keys.Challenge)
	b.nodeIDs = append(b.nodeIDs, t.NodeID)
	b.messages = append(b.messages, wire.Challenge{
		V: wire.ProtocolVersion, ChallengeID: hex.EncodeToString(c.ID[:]), IssuedMs: c.IssuedMs, DeadlineMs: c.DeadlineMs,
		Difficulty: int(c.Difficulty), Count: r.Count, Bytes: canonical,
	})
	b.ids, b.nodeNos = append(b.ids, uuid.UUID(c.ID)), append(b.nodeNos, t.NodeNo)
	b.epochs, b.sessions = append(b.epochs, int32(c.KeyEpoch)), append(b.sessions, t.SessionNo)
	b.deadlines, b.canonical = append(b.deadlines, deadline), append(b.canonical, canonical)
	b.bits, b.next = append(b.bits, int16(c.Difficulty)), append(b.next, r.nextAt(b.at))
	b.demanded = append(b.demanded, t.Demanded)
}

// insertChallenges leaves out nodes that have an open challenge, and those that
// left or connected anew since they were found due: nobody could answer. Of
// those on demand at most one in a mean gap counts; that of a node that starts
// only when nothing was counted for a mean gap. So who may demand, or start a
// node, at will neither polishes its record nor wears it down.
const insertChallenges = `
INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, cohort_no, difficulty, puzzles, demanded, counted)
SELECT d.challenge_id, n.node_no, d.key_epoch, n.session_no, $1, d.deadline_at, $2, d.canonical, $3, d.difficulty, $4, d.demanded,
    (NOT d.demanded OR NOT EXISTS (SELECT FROM challenge o WHERE o.node_no = d.node_no AND o.demanded AND o.counted AND o.issued_at > $13))
    AND (n.status <> 'starting' OR coalesce((SELECT v.at FROM verdict v
        WHERE v.node_no = d.node_no AND v.counted AND v.result NOT IN ('void', 'deferred') ORDER BY v.verdict_no DESC LIMIT 1), 'epoch') <= $13)
FROM unnest($5::uuid[], $6::integer[], $7::integer[], $8::bigint[], $9::timestamptz[], $10::bytea[], $11::smallint[], $12::boolean[])
    AS d(challenge_id, node_no, key_epoch, session_no, deadline_at, canonical, difficulty, demanded)
JOIN node n ON n.node_no = d.node_no AND n.session_no = d.session_no AND n.online
ON CONFLICT DO NOTHING RETURNING node_no`

// setNext leaves the moments of a cohort's nodes as they were drawn, and takes
// note that they are in one.
const (
	setNext = `
INSERT INTO challenge_schedule (node_no, next_at)
SELECT d.node_no, d.next_at FROM unnest($1::integer[], $2::timestamptz[]) AS d(node_no, next_at) WHERE d.node_no = ANY($3::integer[]) ORDER BY 1
ON CONFLICT (node_no) DO UPDATE SET next_at = excluded.next_at, demanded_at = NULL`
	forgetOwed = `UPDATE challenge_schedule SET cohort_owed = false WHERE node_no = ANY($1::integer[]) AND cohort_owed`
)

// store writes all of them, or none.
func (b *batch) store(ctx context.Context, r *Referee) error {
	return db.InTx(ctx, r.Pool, func(tx db.Tx) error {
		b.stored = make(map[int32]bool, len(b.nodeNos))
		var cohortNo *int64
		if b.cohort {
			no, err := sqlgen.New(tx).InsertCohort(ctx, sqlgen.InsertCohortParams{At: b.at, Nodes: int32(len(b.nodeNos))})
			if err != nil {
				return err
			}
			cohortNo = &no
		}
		rows, err := tx.Query(ctx, insertChallenges, b.at, b.at.Add(r.Validity), cohortNo, r.Count,
			b.ids, b.nodeNos, b.epochs, b.sessions, b.deadlines, b.canonical, b.bits, b.demanded, b.at.Add(-r.Interval))
		if err != nil {
			return err
		}
		stored, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return err
		}
		for _, no := range stored {
			b.stored[no] = true
		}
		if b.cohort {
			_, err = tx.Exec(ctx, forgetOwed, stored)
		} else {
			_, err = tx.Exec(ctx, setNext, b.nodeNos, b.next, stored)
		}
		return err
	})
}
