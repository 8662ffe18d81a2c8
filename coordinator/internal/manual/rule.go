package manual

import (
	"errors"
	"fmt"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// Transfer is a payment as the wallet's own list shows it.
type Transfer struct {
	TransactionHash string
	WalletAddress   string
	Amount          ledger.Amount
}

// Match is what a transfer is found to be.
type Match struct {
	Transfer
	Result   Result
	PayoutID string // of the payout that it pays; "" for none
	Note     string // what is odd about it
}

// Result of a match.
type Result string

// Results.
const (
	Matched  Result = "matched"  // it pays a payout that is being paid
	Recorded Result = "recorded" // it paid one, which is on record
	Differs  Result = "differs"  // it is on record with another amount or address
	Unknown  Result = "unknown"  // no payout explains it
	Repeated Result = "repeated" // it stands in the list before
)

// named gives the transfers with their transactions as they are kept. It tells
// of every line that names none.
func named(transfers []Transfer) ([]Transfer, error) {
	var refused *fault.Error
	list := make([]Transfer, len(transfers))
	for i, t := range transfers {
		hash, err := payout.ParseTransaction(t.TransactionHash)
		if bad, is := errors.AsType[*fault.Error](err); is {
			if refused == nil {
				refused = fault.New(bad.Code, "nothing was compared: %s", bad.Message)
			}
			for _, f := range bad.Fields {
				refused.Fields = append(refused.Fields, fault.Field{Name: fmt.Sprintf("transfers[%d].%s", i, f.Name), Reason: f.Reason})
			}
		}
		t.TransactionHash = hash
		list[i] = t
	}
	if refused != nil {
		return nil, refused
	}
	return list, nil
}

// match holds the wallet's transfers against the payouts that are being paid,
// and those that are on record by their transactions. A transfer pays the
// oldest payout of its address and amount; which one of several alike is all
// the same. What no transfer pays is left.
func match(transfers []Transfer, open []Line, onRecord map[string]Line) (matches []Match, left []Line) {
	type target struct {
		address string
		amount  ledger.Amount
	}
	waiting := make(map[target][]Line)
	for _, l := range open {
		t := target{l.WalletAddress, l.NetAmount}
		waiting[t] = append(waiting[t], l)
	}
	seen, paid := make(map[string]bool), make(map[string]bool)
	for _, t := range transfers {
		m, alike := Match{Transfer: t, Result: Unknown, Note: "no payout of this amount to this address is being paid"}, target{t.WalletAddress, t.Amount}
		same := payout.SameTransaction(t.TransactionHash)
		switch known, is := onRecord[same]; {
		case seen[same]:
			m.Result, m.Note = Repeated, "the transaction stands in the list before"
		case is && known.WalletAddress == t.WalletAddress && known.NetAmount == t.Amount:
			m.Result, m.PayoutID, m.Note = Recorded, known.PayoutID, ""
		case is:
			m.Result, m.PayoutID = Differs, known.PayoutID
			m.Note = fmt.Sprintf("it is on record with %s USDT to %s", known.NetAmount, known.WalletAddress)
		case len(waiting[alike]) > 0:
			m.Result, m.PayoutID, m.Note = Matched, waiting[alike][0].PayoutID, ""
			paid[m.PayoutID] = true
			waiting[alike] = waiting[alike][1:]
		}
		seen[same] = true
		matches = append(matches, m)
	}
	for _, l := range open {
		if !paid[l.PayoutID] {
			left = append(left, l)
		}
	}
	return matches, left
}
