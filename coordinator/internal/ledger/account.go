package ledger

import "math"

// Asset is what nodes earn and are paid in.
const Asset = "USDT"

// NetworkAsset is what the network takes for sending it. An Amount of it
// counts sun, its millionth.
const NetworkAsset = "TRX"

// Kind says what an account is for.
type Kind string

// Kinds of account, with their owner.
const (
	KindPoolExpense Kind = "pool_expense" // pool: what its rewards cost; below zero without limit
	KindUnallocated Kind = "unallocated"  // pool: rewards that nobody earned
	KindPayable     Kind = "payable"      // node: earned, to be paid out
	KindHeld        Kind = "held"         // node: earned, waiting for the end of vetting or a decision
	KindInFlight    Kind = "in_flight"    // node: net amount of its live payout
	KindPaidOut     Kind = "paid_out"     // node: net amount that left
	KindFeePending  Kind = "fee_pending"  // fees of live payouts
	KindFeeIncome   Kind = "fee_income"   // fees of completed payouts

	KindWallet   Kind = "wallet"   // address: what the wallet that pays holds
	KindReceived Kind = "received" // address: what came into it, negated; below zero without limit
	KindSent     Kind = "sent"     // address: what left it

	KindTRXWallet   Kind = "trx_wallet"   // the same three of what pays the network
	KindTRXReceived Kind = "trx_received" //
	KindTRXBurnt    Kind = "trx_burnt"    //
)

// asset of an account follows from its kind.
func (k Kind) asset() string {
	if k == KindTRXWallet || k == KindTRXReceived || k == KindTRXBurnt {
		return NetworkAsset
	}
	return Asset
}

// Account names an account; it exists from its first posting. Owner is a
// pool_id, a node_id or an address, empty for the two fee accounts.
type Account struct {
	Kind  Kind
	Owner string
}

// minBalance is the floor that the database holds the account to.
func (a Account) minBalance() int64 {
	switch a.Kind {
	case KindPoolExpense, KindReceived, KindTRXReceived:
		return math.MinInt64
	}
	return 0
}
