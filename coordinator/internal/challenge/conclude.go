package challenge

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/shared/wire"
)

// trace is what a verdict keeps of an answer beside its result: the bytes, and
// what rules about fraud compare over many of them. Empty without an answer.
type trace struct {
	response   []byte
	answeredMs *int32
	address    *netip.Addr
	bootID     *uuid.UUID
	bootTimeMs *int64
	runID      []byte
	runSeq     *int64
	throttle   *int64
}

func traceOf(s Session, v *Verdict, g given) trace {
	answer := g.response
	ms, bootID, throttle := int32(v.Answered.Milliseconds()), uuid.UUID(answer.BootID), int64(answer.Throttle)
	t := trace{
		response: g.raw, answeredMs: &ms, bootID: &bootID, bootTimeMs: stored(answer.BootTimeMs),
		runID: answer.Run[:], runSeq: stored(answer.Seq), throttle: &throttle,
	}
	if s.Address.IsValid() {
		t.address = &s.Address
	}
	return t
}

// stored is a number of the node's as the database can hold it: what no node
// reaches is the highest that it can.
func stored(n uint64) *int64 {
	held := int64(min(n, math.MaxInt64))
	return &held
}

type conclusion struct {
	nodeID   string
	standing Standing
}

// conclude closes a challenge, once: decide fills the verdict inside the
// transaction; nil comes back when another verdict was first.
func (r *Referee) conclude(ctx context.Context, v *Verdict, t trace, decide func(context.Context, db.Tx) error) (*conclusion, error) {
	var done *conclusion
	err := db.InTx(ctx, r.Pool, func(tx db.Tx) error {
		done = nil
		q := sqlgen.New(tx)
		n, err := q.Close(ctx, uuid.UUID(v.ChallengeID))
		if err != nil || n == 0 {
			return err
		}
		if err := decide(ctx, tx); err != nil {
			return err
		}
		v.No, err = q.InsertVerdict(ctx, sqlgen.InsertVerdictParams{
			ChallengeID: uuid.UUID(v.ChallengeID), NodeNo: v.NodeNo, At: v.At, Result: string(v.Result), Reason: v.Reason,
			RuleVersion: RuleVersion, AnsweredMs: t.answeredMs, Response: t.response, Address: t.address,
			BootID: t.bootID, BootTimeMs: t.bootTimeMs, RunID: t.runID, RunSeq: t.runSeq, Throttle: t.throttle,
			Counted: !v.Aside, Prompt: v.Prompt, Telemetry: v.Telemetry,
		})
		if err != nil {
			return err
		}
		ids, err := q.NodeIDs(ctx, v.NodeNo)
		if err != nil {
			return err
		}
		// Told before what follows from it.
		if err := event.Publish(ctx, tx, event.Event{
			Kind: event.Proof, NodeID: ids.NodeID, PoolID: ids.PoolID, Body: judgedOf(v, t.answeredMs), At: v.At,
		}); err != nil {
			return err
		}
		if v.Result != Valid && v.Result != Invalid {
			err := q.OweCohort(ctx, sqlgen.OweCohortParams{ChallengeID: uuid.UUID(v.ChallengeID), NextAt: v.At})
			if err != nil {
				return err
			}
		}
		standing, err := r.OnVerdict(ctx, tx, *v)
		done = &conclusion{nodeID: ids.NodeID, standing: standing}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store verdict: %w", err)
	}
	return done, nil
}

func (r *Referee) announce(nodeID string, v Verdict, s Standing) {
	r.AfterVerdict(nodeID, v, s)
	r.publishVerdict(nodeID, v, s)
}

func (r *Referee) publishVerdict(nodeID string, v Verdict, s Standing) {
	err := r.Publish(nodeID, wire.ChannelVerdict, wire.Verdict{
		V: wire.ProtocolVersion, ChallengeID: hex.EncodeToString(v.ChallengeID[:]), Verdict: string(v.Result), Reason: v.Reason,
		AtMs: v.At.UnixMilli(), ScoreNano: s.ScoreNano, ConfidenceNano: s.ConfidenceNano, FailuresLeft: s.FailuresLeft, EarlyWarning: s.EarlyWarning,
		Factors: &s.Factors,
	})
	if err != nil {
		r.Logger.Warn("verdict not published", "node_id", nodeID, "error", err)
	}
}
