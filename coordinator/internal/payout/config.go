package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/tron"
)

// What makes payouts free, and lets them need no approval.
const (
	NoFee      = -1 // as Terms.FeeBasisPoints
	NoApproval = -1 // as Terms.ApprovalFrom
)

// Config of a Store. Pool is required; a zero value elsewhere is the default
// that stands beside it.
type Config struct {
	Pool  *db.Pool
	Terms // DefaultTerms
	// Held tells to which of the nodes nothing is paid: fraud is suspected, or was
	// confirmed and the node not started since. Nil: to all it may be.
	Held func(ctx context.Context, tx db.Tx, nodeNos []int32) (map[int32]bool, error)
	// TakeBack returns to its pools what a payout gave back to a node whose fraud was
	// confirmed since it was made. Nil: such a payout cannot fail or be cancelled.
	TakeBack func(ctx context.Context, tx db.Tx, nodeNo int32, nodeID, ref string, amount ledger.Amount, made, at time.Time) error
	// Cost is what the rail expects to spend at most on paying net, and why it
	// would rather wait; "" when it would not. It must not wait itself.
	// Nil: nothing, as on the manual rail.
	Cost func(net, fee ledger.Amount) (cost ledger.Amount, wait string)
	// KnownHead is the file, outside the database, that Remember keeps.
	// Empty: none.
	KnownHead string

	Now    func() time.Time
	Logger *slog.Logger
}

// DefaultTerms are what holds where nobody says otherwise.
func DefaultTerms() Terms {
	return Terms{
		Threshold: ledger.USDT(10), Min: ledger.USDT(1), Max: ledger.USDT(10_000), FeeBasisPoints: 100, ApprovalFrom: ledger.USDT(1000),
	}
}

func (c Config) withDefaults() (Config, error) {
	terms := DefaultTerms()
	c.Threshold = cmp.Or(c.Threshold, terms.Threshold)
	c.Min = cmp.Or(c.Min, terms.Min)
	c.Max = cmp.Or(c.Max, terms.Max)
	c.FeeBasisPoints = cmp.Or(c.FeeBasisPoints, terms.FeeBasisPoints)
	if c.FeeBasisPoints == NoFee {
		c.FeeBasisPoints = 0
	}
	c.ApprovalFrom = cmp.Or(c.ApprovalFrom, terms.ApprovalFrom)
	if c.ApprovalFrom == NoApproval {
		c.ApprovalFrom = 0
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
	if c.TakeBack == nil {
		c.TakeBack = func(_ context.Context, _ db.Tx, _ int32, _, ref string, _ ledger.Amount, _, _ time.Time) error {
			return fmt.Errorf("payout: %s is forfeited, and TakeBack is not set", ref)
		}
	}
	if c.Cost == nil {
		c.Cost = func(ledger.Amount, ledger.Amount) (ledger.Amount, string) { return 0, "" }
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
	refuse(c.Min <= c.FeeMin, "the least payout %s must be above the least fee %s", c.Min, c.FeeMin)
	refuse(c.Threshold < c.Min || c.Max < c.Threshold, "the threshold %s must lie from the least payout %s to the most %s", c.Threshold, c.Min, c.Max)
	refuse(c.ApprovalFrom < 0, "approval from %s makes no sense", c.ApprovalFrom)
	for _, own := range c.Own {
		if _, err := tron.ParseAddress(own); err != nil {
			refuse(true, "an address of the project's own: %s", err)
		}
	}
	return errors.Join(errs...)
}

// Bounds of texts from outside, in characters.
const (
	maxReason = 500
	maxKey    = 128
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
