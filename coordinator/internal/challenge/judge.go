package challenge

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Session is the connection that an answer came by.
type Session struct {
	NodeNo int32
	NodeID string
	Number uint64
}

// Answer judges a response. Only an answer with a good MAC from the session
// that was asked changes anything; every other is counted and dropped. The
// error is ours (database), never the node's.
func (r *Referee) Answer(ctx context.Context, s Session, payload []byte, received time.Time) error {
	raw, answer, err := decode(payload)
	if err != nil {
		r.Counted("malformed")
		return nil
	}
	row, err := sqlgen.New(r.Pool).Find(ctx, sqlgen.FindParams{ChallengeID: uuid.UUID(answer.ChallengeID), NodeNo: s.NodeNo})
	if errors.Is(err, pgx.ErrNoRows) {
		r.Counted("unknown_challenge")
		return nil
	} else if err != nil {
		return fmt.Errorf("find challenge: %w", err)
	}
	keys, err := r.keys(ctx, &row)
	if err != nil {
		return err
	}
	switch {
	case !answer.VerifyMAC(keys.Response):
		r.Counted("bad_mac")
	case row.State != "open":
		return r.repeat(ctx, s.NodeID, &row, raw)
	case uint64(row.SessionNo) != s.Number:
		r.Counted("other_session")
	case received.After(row.ExpiresAt):
		r.Counted("expired")
	default:
		return r.judge(ctx, s.NodeID, &row, &keys, raw, answer, received)
	}
	return nil
}

func decode(payload []byte) ([]byte, *proof.SignedResponse, error) {
	message, err := wire.DecodeResponse(payload)
	if err != nil {
		return nil, nil, err
	}
	answer, err := proof.ParseResponse(message.Bytes)
	return message.Bytes, answer, err
}

func (r *Referee) keys(ctx context.Context, row *sqlgen.FindRow) (keys node.Keys, err error) {
	err = db.InTx(ctx, r.Pool, func(tx db.Tx) error {
		keys, err = r.Nodes.KeysOf(ctx, tx, row.NodeNo, uint32(row.KeyEpoch))
		return err
	})
	return keys, err
}

// repeat answers the same bytes with the verdict they got, without penalty.
func (r *Referee) repeat(ctx context.Context, nodeID string, row *sqlgen.FindRow, raw []byte) error {
	if row.Result == nil || !bytes.Equal(row.Response, raw) {
		r.Counted("judged_already")
		return nil
	}
	r.Counted("repeated")
	standing, err := r.Standing(ctx, row.NodeNo)
	if err != nil {
		return fmt.Errorf("standing of %s: %w", nodeID, err)
	}
	r.publishVerdict(nodeID, Verdict{
		ChallengeID: proof.ID(row.ChallengeID), Result: Result(*row.Result), Reason: *row.Reason, At: *row.JudgedAt,
	}, standing)
	return nil
}

func (r *Referee) judge(ctx context.Context, nodeID string, row *sqlgen.FindRow, keys *node.Keys, raw []byte,
	answer *proof.SignedResponse, received time.Time,
) error {
	asked, err := proof.DecodeChallenge(row.Canonical, keys.Challenge)
	if err != nil {
		return fmt.Errorf("stored challenge %s: %w", row.ChallengeID, err)
	}
	e := evidence{
		received: received, deadline: row.DeadlineAt,
		solutions: answer.ChallengeHash == proof.HashChallenge(row.Canonical) && asked.CheckSolutions(r.PuzzleKey, answer.Solutions),
		signature: answer.VerifySignature(keys.Device),
	}
	v := Verdict{ChallengeID: answer.ChallengeID, NodeNo: row.NodeNo, At: received, Answered: received.Sub(row.IssuedAt)}
	judged, err := r.conclude(ctx, &v, raw, func(ctx context.Context, tx db.Tx) error {
		chain, known, err := r.ChainAt(ctx, tx, row.NodeNo, answer.Run, answer.Seq)
		switch {
		case err != nil:
			return err
		case known && chain == answer.Chain:
			e.chain = chainMatches
		case known:
			e.chain = chainDiffers
		}
		if v.Result, v.Reason = judge(e); v.Result != Late {
			return nil
		}
		// It may lie here read late because we stood still.
		ours, err := r.OurFault(ctx, tx, row.IssuedAt, received)
		if ours {
			v.Result, v.Reason = Void, reasonOurFault
		}
		return err
	})
	if err == nil && judged != nil {
		r.announce(nodeID, v, judged.standing)
	}
	return err
}

type conclusion struct {
	nodeID   string
	standing Standing
}

// conclude closes a challenge, once: decide fills the verdict inside the
// transaction; nil comes back when another verdict was first.
func (r *Referee) conclude(ctx context.Context, v *Verdict, response []byte, decide func(context.Context, db.Tx) error) (*conclusion, error) {
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
		var answeredMs *int32
		if response != nil {
			ms := int32(v.Answered.Milliseconds())
			answeredMs = &ms
		}
		v.No, err = q.InsertVerdict(ctx, sqlgen.InsertVerdictParams{
			ChallengeID: uuid.UUID(v.ChallengeID), NodeNo: v.NodeNo, At: v.At, Result: string(v.Result), Reason: v.Reason,
			RuleVersion: RuleVersion, AnsweredMs: answeredMs, Response: response,
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
			Kind: event.Proof, NodeID: ids.NodeID, PoolID: ids.PoolID, Body: judgedOf(v, answeredMs), At: v.At,
		}); err != nil {
			return err
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
		AtMs: v.At.UnixMilli(), ScoreNano: s.ScoreNano, ConfidenceNano: s.ConfidenceNano, FailuresLeft: s.FailuresLeft,
	})
	if err != nil {
		r.Logger.Warn("verdict not published", "node_id", nodeID, "error", err)
	}
}
