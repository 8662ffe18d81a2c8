package payout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// NoFee as Config.FeeBasisPoints makes payouts free.
const NoFee = -1

// ScoreAt is what the score of a node was at a moment.
type ScoreAt struct {
	ScoreNano int64           // 1e9 = 100 points
	Factors   json.RawMessage // what it is made of
	Vetted    bool            // before that, earnings are held
	Held      bool            // held for suspected fraud: nothing is paid or released
}

// Config of a Closer and a Round. Pool, ScoreAsOf and FaultWindows are
// required; a zero value elsewhere is the default that stands beside it.
type Config struct {
	Pool *db.Pool
	// ScoreAsOf gives the scores of nodes at a time, from evidence up to that
	// time only. A node that is missing in the answer has score 0 and is new.
	ScoreAsOf func(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]ScoreAt, error)
	// FaultWindows gives the times that touch [from, to) when we were down. An
	// error keeps epochs open: say so while a window may still be unrecorded.
	FaultWindows func(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error)
	// OnEarning is told of every share above 0 after its epoch was committed.
	OnEarning func(e Earning)
	// OnPayout is told of every payout that the round made, after its commit.
	OnPayout func(nodeID, payoutID string, gross, fee ledger.Amount)

	Epoch     time.Duration // 1 h; a day holds a whole number of epochs
	Grace     time.Duration // 0: an epoch closes at its end
	CatchUp   int           // 120: epochs of one pool closed in one run at most
	Threshold ledger.Amount // 10 USDT: gross amount from which the round pays
	MinPayout ledger.Amount // 1 USDT
	MaxPayout ledger.Amount // 10,000 USDT

	FeeBasisPoints int           // 100 = 1 %; NoFee for none
	FeeMin         ledger.Amount // 0
	FeeMax         ledger.Amount // 0: no maximum

	Now    func() time.Time
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.Epoch = cmp.Or(c.Epoch, time.Hour)
	c.CatchUp = cmp.Or(c.CatchUp, 120)
	c.Threshold = cmp.Or(c.Threshold, ledger.USDT(10))
	c.MinPayout = cmp.Or(c.MinPayout, ledger.USDT(1))
	c.MaxPayout = cmp.Or(c.MaxPayout, ledger.USDT(10_000))
	c.FeeBasisPoints = cmp.Or(c.FeeBasisPoints, 100)
	if c.FeeBasisPoints == NoFee {
		c.FeeBasisPoints = 0
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnEarning == nil {
		c.OnEarning = func(Earning) {}
	}
	if c.OnPayout == nil {
		c.OnPayout = func(string, string, ledger.Amount, ledger.Amount) {}
	}
	return c, c.validate()
}

// validate tells everything that is wrong at once.
func (c Config) validate() error {
	var errs []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf("payout: "+format, args...))
		}
	}
	const day = 24 * time.Hour
	refuse(c.Pool == nil || c.ScoreAsOf == nil || c.FaultWindows == nil, "Pool, ScoreAsOf and FaultWindows are required")
	refuse(c.Epoch < time.Second || day%c.Epoch != 0, "a day must hold a whole number of epochs of at least 1s, not of %s", c.Epoch)
	refuse(c.Grace < 0, "the grace time %s is negative", c.Grace)
	refuse(c.CatchUp < 1, "a run must close at least one epoch, not %d", c.CatchUp)
	refuse(c.FeeBasisPoints < 0 || c.FeeBasisPoints >= 10_000, "the fee of %d basis points is not from 0 to 9999", c.FeeBasisPoints)
	refuse(c.FeeMin < 0 || c.FeeMax < 0 || c.FeeMax != 0 && c.FeeMax < c.FeeMin, "fees from %s to %s make no sense", c.FeeMin, c.FeeMax)
	refuse(c.MinPayout <= c.FeeMin, "the least payout %s must be above the least fee %s", c.MinPayout, c.FeeMin)
	refuse(c.Threshold < c.MinPayout || c.MaxPayout < c.Threshold,
		"the threshold %s must lie from the least payout %s to the most %s", c.Threshold, c.MinPayout, c.MaxPayout)
	return errors.Join(errs...)
}

// fee is what a payout of gross costs its node: the percentage, rounded down,
// within its limits.
func (c Config) fee(gross ledger.Amount) ledger.Amount {
	high, low := bits.Mul64(uint64(gross), uint64(c.FeeBasisPoints))
	fee, _ := bits.Div64(high, low, 10_000)
	amount := max(ledger.Amount(fee), c.FeeMin)
	if c.FeeMax > 0 {
		amount = min(amount, c.FeeMax)
	}
	return amount
}

// next is the epoch after last, which is the end of the pool's last closed
// epoch, or zero. Epochs end at UTC multiples of their length, the first one is
// that in which the pool was created. Their length may change over time: the
// epoch between the old grid and the new is shorter and has that much less
// reward.
func (c Config) next(created, last time.Time, reward ledger.Amount) (span.Interval, ledger.Amount) {
	start := last.UTC()
	if last.IsZero() {
		start = created.UTC().Truncate(c.Epoch)
	}
	end := start.Truncate(c.Epoch).Add(c.Epoch)
	high, low := bits.Mul64(uint64(reward), uint64(end.Sub(start)))
	part, _ := bits.Div64(high, low, uint64(c.Epoch))
	return span.Interval{From: start, To: end}, ledger.Amount(part)
}
