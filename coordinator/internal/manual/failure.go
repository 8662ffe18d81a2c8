package manual

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/manual/sqlgen"
	"lucid.internal/coordinator/internal/payout"
)

// Failure is what somebody told of a try of a payout.
type Failure struct {
	PayoutID    string
	Try         int // 0 for the first
	Reason      string
	Proof       string
	ReportedBy  string
	ReportedAt  time.Time
	ConfirmedBy *string // nil: nobody yet
}

// Hash names exactly this report, so that who confirms it confirms what he read.
func (f Failure) Hash() string {
	var b []byte
	for _, text := range []string{"lucid/payout-failure/v1", f.PayoutID, f.Reason, f.Proof, f.ReportedBy} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	for _, number := range []int64{int64(f.Try), f.ReportedAt.UnixMicro()} {
		b = binary.BigEndian.AppendUint64(b, uint64(number))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func failureOf(payoutID string, f sqlgen.PayoutFailure) Failure {
	return Failure{payoutID, int(f.RetryCount), f.Reason, f.Proof, f.ReportedBy, f.ReportedAt, f.ConfirmedBy}
}

// Failure reads what was told of a payout's newest try that was told of.
func (s *Store) Failure(ctx context.Context, payoutID string) (Failure, error) {
	f, err := sqlgen.New(s.cfg.Pool).Failure(ctx, payoutID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Failure{}, fault.New(fault.OtherNotFound, "nobody has reported that payout %s failed", payoutID)
	} else if err != nil {
		return Failure{}, fmt.Errorf("read the failure of %s: %w", payoutID, err)
	}
	return failureOf(payoutID, f), nil
}

// Report says that a payout was not paid and never will be: why, and by what
// that is proven. Nothing moves before a second person confirms it. Reported
// again before that, the new report counts, and has another hash.
func (s *Store) Report(ctx context.Context, by audit.By, payoutID, reason, proof string) (payout.Payout, error) {
	for field, text := range map[string]string{"reason": reason, "proof": proof} {
		if text == "" {
			return payout.Payout{}, fault.New(fault.Validation, "a failed payout needs a reason and a proof").
				WithFields(fault.Field{Name: field, Reason: "is empty"})
		}
	}
	at := s.cfg.Now()
	p, err := s.cfg.Payouts.Get(ctx, payoutID)
	if err != nil {
		return payout.Payout{}, err
	}
	if err := mayFail(p); err != nil {
		return payout.Payout{}, err
	}
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		err := sqlgen.New(tx).Report(ctx, sqlgen.ReportParams{
			PayoutNo: p.No, RetryCount: int32(p.RetryCount), Reason: reason, Proof: proof, ReportedBy: by.Actor, ReportedAt: at,
		})
		if err != nil {
			return fmt.Errorf("report the failure of %s: %w", payoutID, err)
		}
		return audit.Write(ctx, tx, by.Record("payout.report", payoutID, nil, map[string]string{"reason": reason, "proof": proof}).AtTime(at))
	})
	return p, err
}

func mayFail(p payout.Payout) error {
	if p.Status != payout.Processing || p.Rail != payout.Manual {
		return fault.New(fault.StateNotAllowed, "payout %s is %s; only one that is being paid by hand is told failed", p.ID, p.Status)
	}
	return nil
}

// Confirm fails a payout on the word of a second person, who read the report of
// that hash: its amount is the node's again, and it may be tried once more. When
// the report is another one by now, it is fault.ChangedMeanwhile.
func (s *Store) Confirm(ctx context.Context, by payout.Person, payoutID, hash string) (failed payout.Payout, err error) {
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil { // before any other lock
			return err
		}
		q := sqlgen.New(tx)
		f, err := q.LockFailure(ctx, payoutID)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.StateNotAllowed, "nobody has reported that payout %s failed, with a proof", payoutID)
		} else if err != nil {
			return fmt.Errorf("read the failure of %s: %w", payoutID, err)
		}
		if err := payout.CheckSecond(ctx, tx, by, f.ReportedBy); err != nil {
			return err
		}
		if hash != failureOf(payoutID, f).Hash() {
			return fault.New(fault.ChangedMeanwhile, "what was reported of payout %s is not what you confirm: read it again", payoutID)
		}
		err = q.Confirm(ctx, sqlgen.ConfirmParams{PayoutNo: f.PayoutNo, RetryCount: f.RetryCount, ConfirmedBy: &by.Actor, ConfirmedAt: &at})
		if err != nil {
			return fmt.Errorf("confirm the failure of %s: %w", payoutID, err)
		}
		failed, err = s.cfg.Payouts.Fail(ctx, tx, by.By, payoutID, f.Reason, at)
		return err
	})
	return failed, err
}
