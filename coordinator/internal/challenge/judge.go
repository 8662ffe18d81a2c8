package challenge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Session is the connection that an answer came by.
type Session struct {
	NodeNo int32
	NodeID string
	Number uint64
	// Where it comes from, as far as it is known: an IPv4 address, or an IPv6
	// network of 64 bits.
	Address netip.Addr
	// How long we held up the connection before the answer was read: it may have
	// come so much earlier. Whether it is late is judged without this time.
	Held time.Duration
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
		return r.repeat(ctx, s, &row, raw, received)
	case uint64(row.SessionNo) != s.Number:
		r.Counted("other_session")
	case received.Add(-s.Held).After(row.ExpiresAt):
		r.Counted("expired")
	default:
		return r.judge(ctx, s, &row, &keys, given{raw, answer, received})
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

// given is an answer as it came.
type given struct {
	raw      []byte
	response *proof.SignedResponse
	received time.Time
}

// repeat answers the same bytes with the verdict they got, without penalty.
// Other bytes of the node's own making are kept once, while the challenge was
// still to be answered: whoever gives two answers does not run as one.
func (r *Referee) repeat(ctx context.Context, s Session, row *sqlgen.FindRow, raw []byte, received time.Time) error {
	if row.Result == nil || !bytes.Equal(row.Response, raw) {
		r.Counted("judged_already")
		if row.Response == nil || uint64(row.SessionNo) != s.Number || received.Add(-s.Held).After(row.ExpiresAt) {
			return nil
		}
		err := sqlgen.New(r.Pool).InsertSecondAnswer(ctx, sqlgen.InsertSecondAnswerParams{
			ChallengeID: row.ChallengeID, NodeNo: row.NodeNo, At: received, Response: raw,
		})
		if err != nil {
			return fmt.Errorf("second answer of %s: %w", s.NodeID, err)
		}
		return nil
	}
	r.Counted("repeated")
	standing, err := r.Standing(ctx, row.NodeNo)
	if err != nil {
		return fmt.Errorf("standing of %s: %w", s.NodeID, err)
	}
	r.publishVerdict(s.NodeID, Verdict{
		ChallengeID: proof.ID(row.ChallengeID), Result: Result(*row.Result), Reason: *row.Reason, At: *row.JudgedAt,
	}, standing)
	return nil
}

func (r *Referee) judge(ctx context.Context, s Session, row *sqlgen.FindRow, keys *node.Keys, g given) error {
	asked, err := proof.DecodeChallenge(row.Canonical, keys.Challenge)
	if err != nil {
		return fmt.Errorf("stored challenge %s: %w", row.ChallengeID, err)
	}
	answer := g.response
	e := evidence{
		received: g.received.Add(-s.Held), deadline: row.DeadlineAt,
		named: answer.ChallengeHash == proof.HashChallenge(row.Canonical), solutions: asked.CheckSolutions(r.PuzzleKey, answer.Solutions),
		defers:    answer.Defers(),
		signature: answer.VerifySignature(keys.Device),
	}
	v := Verdict{ChallengeID: answer.ChallengeID, NodeNo: row.NodeNo, At: g.received, Answered: g.received.Sub(row.IssuedAt), Aside: !row.Counted}
	judged, err := r.conclude(ctx, &v, traceOf(s, &v, g), func(ctx context.Context, tx db.Tx) error {
		chain, known, err := r.ChainAt(ctx, tx, row.NodeNo, answer.Run, answer.Seq)
		switch {
		case err != nil:
			return err
		case known && chain == answer.Chain:
			e.chain = chainMatches
		case known:
			e.chain = chainDiffers
		}
		if e.defers {
			since := sqlgen.CountDeferredParams{NodeNo: row.NodeNo, Since: g.received.Add(-24 * time.Hour)}
			n, err := sqlgen.New(tx).CountDeferred(ctx, since)
			if err != nil {
				return err
			}
			e.deferrals = int(n)
		}
		if v.Result, v.Reason = judge(e); v.Result != Late {
			observe(&v, row, s.Held)
			return r.tune(ctx, tx, &v, row)
		}
		// It may lie here read late because we stood still.
		ours, err := r.OurFault(ctx, tx, row.IssuedAt, g.received)
		if ours {
			v.Result, v.Reason = Void, reasonOurFault
		}
		return err
	})
	if err == nil && judged != nil {
		r.announce(s.NodeID, v, judged.standing)
	}
	return err
}

// observe notes what an answer in time shows of the node's quality. The time
// for which we held it up is not the node's.
func observe(v *Verdict, row *sqlgen.FindRow, held time.Duration) {
	if row.HeardAt != nil {
		complete := completeness(v.At.Sub(*row.HeardAt))
		v.Telemetry = &complete
	}
	if v.Result != Valid || row.Difficulty == nil || row.Puzzles == nil {
		return
	}
	usual := usualTime(solvingTime(rateShown(row.Model, tuning{bits: int(row.TunedBits)}, int(*row.Puzzles)), int(*row.Puzzles), int(*row.Difficulty)))
	prompt := promptness(v.Answered-held, usual, row.DeadlineAt.Sub(row.IssuedAt))
	v.Prompt = &prompt
}

// tune lets a valid answer count towards the difficulty of the node's next
// puzzles. Another model is another machine: it begins at its floor.
func (r *Referee) tune(ctx context.Context, tx db.Tx, v *Verdict, row *sqlgen.FindRow) error {
	if nearest(int(row.NodeBits), int(row.PoolBits), r.Difficulty) != Calibrated || v.Result != Valid || row.Difficulty == nil {
		return nil
	}
	least := leastBits(row.Model, r.Count)
	t := tuning{bits: least}
	if row.TunedModel == row.Model && int(row.TunedBits) >= least {
		t = tuning{bits: int(row.TunedBits), taken: time.Duration(row.TunedMs) * time.Millisecond, seen: int(row.TunedSeen)}
	}
	if t.bits == int(*row.Difficulty) {
		t = t.next(v.Answered, highestBits(rateShown(row.Model, t, r.Count), r.Count, r.Deadline))
	}
	return sqlgen.New(tx).Tune(ctx, sqlgen.TuneParams{
		NodeNo: row.NodeNo, TunedModel: row.Model, TunedBits: int16(t.bits), TunedMs: t.taken.Milliseconds(), TunedSeen: int16(t.seen),
	})
}
