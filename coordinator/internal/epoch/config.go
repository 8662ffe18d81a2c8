package epoch

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

// ScoreAt is what the score of a node was at a moment.
type ScoreAt struct {
	ScoreNano int64           // 1e9 = 100 points
	Factors   json.RawMessage // what it is made of
	Vetted    bool            // before that, earnings are held
	Held      bool            // held for suspected fraud: earnings are held and nothing is released
}

// Config of a Closer. Pool, ScoreAsOf, FaultWindows and Epoch are
// required; a zero value elsewhere is the default that stands beside it.
type Config struct {
	Pool *db.Pool
	// ScoreAsOf gives the scores of nodes at a time, from evidence up to that
	// time only. A node that is missing in the answer has score 0 and is new.
	ScoreAsOf scoreAsOf
	// FaultWindows gives the times that touch [from, to) when we were down. An
	// error keeps epochs open: say so while a window may still be unrecorded, by
	// ErrNotYet where that is as it should be.
	FaultWindows faultWindows
	// OnEarning is told of every share above 0 after its epoch was committed.
	OnEarning func(e Earning)
	// AfterClosing is called at the end of a run that closed an epoch, and of the
	// first one: payouts follow earnings at once.
	AfterClosing func(ctx context.Context) error

	Epoch   time.Duration // a day holds a whole number of epochs
	Grace   time.Duration // 0: an epoch closes at its end
	CatchUp int           // 120: epochs of one pool closed in one run at most
	// DailyCap is the most that a node earns in the epochs of a UTC day; 0: no bound.
	DailyCap ledger.Amount

	Now    func() time.Time
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	c.CatchUp = cmp.Or(c.CatchUp, 120)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.OnEarning == nil {
		c.OnEarning = func(Earning) {}
	}
	if c.AfterClosing == nil {
		c.AfterClosing = func(context.Context) error { return nil }
	}
	return c, c.validate()
}

// validate tells everything that is wrong at once.
func (c Config) validate() error {
	var errs []error
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf("epoch: "+format, args...))
		}
	}
	const day = 24 * time.Hour
	refuse(c.Pool == nil || c.ScoreAsOf == nil || c.FaultWindows == nil, "Pool, ScoreAsOf and FaultWindows are required")
	refuse(c.Epoch < time.Second || day%c.Epoch != 0, "a day must hold a whole number of epochs of at least 1s, not of %s", c.Epoch)
	refuse(c.Grace < 0, "the grace time %s is negative", c.Grace)
	refuse(c.DailyCap < 0, "the daily cap %s is negative", c.DailyCap)
	refuse(c.CatchUp < 1, "a run must close at least one epoch, not %d", c.CatchUp)
	return errors.Join(errs...)
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
