package ledger

import "math"

// Asset is the only asset so far.
const Asset = "USDT"

// Kind says what an account is for.
type Kind string

// Kinds of account, with their owner.
const (
	KindPoolExpense Kind = "pool_expense" // pool: what its rewards cost; the one kind that goes below zero, without limit
	KindUnallocated Kind = "unallocated"  // pool: rewards that nobody earned
	KindPayable     Kind = "payable"      // node: earned, to be paid out
	KindHeld        Kind = "held"         // node: earned, waiting for the end of vetting or a decision
	KindInFlight    Kind = "in_flight"    // node: net amount of its live payout
	KindPaidOut     Kind = "paid_out"     // node: net amount that left
	KindFeePending  Kind = "fee_pending"  // fees of live payouts
	KindFeeIncome   Kind = "fee_income"   // fees of completed payouts
)

// Account names an account; it exists from its first posting. Owner is a
// pool_id or a node_id, empty for the two fee accounts.
type Account struct {
	Kind  Kind
	Owner string
}

// minBalance is the floor that the database holds the account to.
func (a Account) minBalance() int64 {
	if a.Kind == KindPoolExpense {
		return math.MinInt64
	}
	return 0
}
