package ledger

import "time"

// The flows of money. Each builds an entry; Post books it. ref names what the
// entry is for and is unique within its kind.
const (
	kindAccrue  = "accrue"
	kindHold    = "hold"
	kindRelease = "release"
	kindReserve = "reserve"
	kindSettle  = "settle"
	kindVoid    = "void"
)

// Share is what one node gets out of an epoch.
type Share struct {
	NodeID string
	Amount Amount // a share of 0 makes no posting
	Held   bool   // goes to the node's held account instead of payable
}

// Accrue spends a pool's reward on shares; unallocated is the part that nobody
// earned.
func Accrue(ref string, at time.Time, poolID string, shares []Share, unallocated Amount) Entry {
	postings := make([]Posting, 0, len(shares)+2)
	total := unallocated
	for _, s := range shares {
		kind := KindPayable
		if s.Held {
			kind = KindHeld
		}
		total += s.Amount
		postings = appendPosting(postings, kind, s.NodeID, s.Amount)
	}
	postings = appendPosting(postings, KindUnallocated, poolID, unallocated)
	postings = appendPosting(postings, KindPoolExpense, poolID, -total)
	return Entry{Kind: kindAccrue, Ref: ref, At: at, Postings: postings}
}

// IsAccrual reports whether the entry spends a pool's reward.
func (e Entry) IsAccrual() bool { return e.Kind == kindAccrue }

// Hold moves earnings of a node out of reach of payouts.
func Hold(ref string, at time.Time, nodeID string, amount Amount) Entry {
	return move(kindHold, ref, at, nodeID, KindPayable, KindHeld, amount)
}

// Release makes held earnings payable.
func Release(ref string, at time.Time, nodeID string, amount Amount) Entry {
	return move(kindRelease, ref, at, nodeID, KindHeld, KindPayable, amount)
}

// Reserve sets the gross amount of a payout aside: net in flight, the fee pending.
func Reserve(ref string, at time.Time, nodeID string, net, fee Amount) Entry {
	return Entry{Kind: kindReserve, Ref: ref, At: at, Postings: reserve(nodeID, net, fee)}
}

// Void gives back what Reserve set aside: the payout was cancelled or failed.
func Void(ref string, at time.Time, nodeID string, net, fee Amount) Entry {
	return Entry{Kind: kindVoid, Ref: ref, At: at, Postings: reserve(nodeID, -net, -fee)}
}

func reserve(nodeID string, net, fee Amount) []Posting {
	postings := appendPosting(nil, KindPayable, nodeID, -net-fee)
	postings = appendPosting(postings, KindInFlight, nodeID, net)
	return appendPosting(postings, KindFeePending, "", fee)
}

// Settle books a completed payout: net has left, the fee is earned.
func Settle(ref string, at time.Time, nodeID string, net, fee Amount) Entry {
	postings := appendPosting(nil, KindInFlight, nodeID, -net)
	postings = appendPosting(postings, KindPaidOut, nodeID, net)
	postings = appendPosting(postings, KindFeePending, "", -fee)
	postings = appendPosting(postings, KindFeeIncome, "", fee)
	return Entry{Kind: kindSettle, Ref: ref, At: at, Postings: postings}
}

func move(kind, ref string, at time.Time, nodeID string, from, to Kind, amount Amount) Entry {
	postings := appendPosting(nil, from, nodeID, -amount)
	postings = appendPosting(postings, to, nodeID, amount)
	return Entry{Kind: kind, Ref: ref, At: at, Postings: postings}
}

func appendPosting(postings []Posting, kind Kind, owner string, amount Amount) []Posting {
	if amount == 0 {
		return postings
	}
	return append(postings, Posting{Account{kind, owner}, amount})
}
