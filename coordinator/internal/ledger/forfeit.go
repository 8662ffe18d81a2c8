package ledger

import "time"

const kindForfeit = "forfeit"

// Returned is what goes back to one pool.
type Returned struct {
	PoolID string
	Amount Amount
}

// Forfeit takes a node's payable and held earnings away and returns them to
// pools, to whom the amounts must sum.
func Forfeit(ref string, at time.Time, nodeID string, payable, held Amount, pools []Returned) Entry {
	postings := appendPosting(nil, KindPayable, nodeID, -payable)
	postings = appendPosting(postings, KindHeld, nodeID, -held)
	for _, p := range pools {
		postings = appendPosting(postings, KindUnallocated, p.PoolID, p.Amount)
	}
	return Entry{Kind: kindForfeit, Ref: ref, At: at, Postings: postings}
}
