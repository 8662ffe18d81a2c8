package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
)

// NoFee as Config.FeeBasisPoints makes payouts free.
const NoFee = -1

// Config of a Store. Pool is required; a zero value elsewhere is the default
// that stands beside it.
type Config struct {
	Pool *db.Pool
	// Held tells which of the nodes are under suspicion: nothing is paid to them.
	// Nil: none is.
	Held func(ctx context.Context, tx db.Tx, nodeNos []int32) (map[int32]bool, error)

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
	if c.Held == nil {
		c.Held = func(context.Context, db.Tx, []int32) (map[int32]bool, error) { return nil, nil }
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
	refuse(c.Pool == nil, "Pool is required")
	refuse(c.FeeBasisPoints < 0 || c.FeeBasisPoints >= 10_000, "the fee of %d basis points is not from 0 to 9999", c.FeeBasisPoints)
	refuse(c.FeeMin < 0 || c.FeeMax < 0 || c.FeeMax != 0 && c.FeeMax < c.FeeMin, "fees from %s to %s make no sense", c.FeeMin, c.FeeMax)
	refuse(c.MinPayout <= c.FeeMin, "the least payout %s must be above the least fee %s", c.MinPayout, c.FeeMin)
	refuse(c.Threshold < c.MinPayout || c.MaxPayout < c.Threshold,
		"the threshold %s must lie from the least payout %s to the most %s", c.Threshold, c.MinPayout, c.MaxPayout)
	return errors.Join(errs...)
}

// Bounds of texts from outside, in characters.
const (
	maxReason      = 500
	maxTransaction = 128
)

// checkText refuses a text that is empty, too long, or not to be printed.
func checkText(field, text string, most int) error {
	reason := ""
	switch {
	case text == "":
		reason = "is empty"
	case utf8.RuneCountInString(text) > most:
		reason = fmt.Sprintf("is longer than %d characters", most)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		reason = "holds what cannot be printed"
	default:
		return nil
	}
	return fault.New(fault.Validation, "%s %s", field, reason).WithFields(fault.Field{Name: field, Reason: reason})
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
