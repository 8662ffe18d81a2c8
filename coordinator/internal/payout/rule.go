package payout

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/tron"
)

// Terms are the rules of money leaving.
type Terms struct {
	Threshold ledger.Amount // gross amount from which a round pays
	Min       ledger.Amount // least gross amount of a payout
	Max       ledger.Amount // most

	FeeBasisPoints int           // 100 = 1 %
	FeeMin         ledger.Amount // least fee
	FeeMax         ledger.Amount // 0: no limit

	// ApprovalFrom is the sum from which a second person must approve; 0: never.
	ApprovalFrom ledger.Amount
	// Own are the project's own addresses and the token's contract, which are
	// never paid to.
	Own []string
}

// Request asks for a payout.
type Request struct {
	NodeID        string        `json:"node_id"`
	Amount        ledger.Amount `json:"amount"` // gross
	WalletAddress string        `json:"wallet_address"`
	Priority      string        `json:"priority"` // urgent, high, normal, low; default normal
	ScheduledAt   *time.Time    `json:"scheduled_at"`

	all bool // whatever the node has, once that reaches the threshold
}

// Line is a payout as it would be made now.
type Line struct {
	Request
	Fee         ledger.Amount
	NetAmount   ledger.Amount
	NetworkCost ledger.Amount // expected of its rail, in USDT
	// Refused says why the payout cannot be made; nil when it can.
	Refused *fault.Error

	nodeNo int32
}

// priorities in the order of the queue.
var priorities = []string{"urgent", "high", "normal", "low"}

// mostAhead is how far ahead a payout may be scheduled.
const mostAhead = 366 * 24 * time.Hour

// standing is what counts of a node when it is to be paid.
type standing struct {
	nodeNo  int32
	payable ledger.Amount
	address string // that counts now; "" for none
	live    string // id of its live payout; "" for none
	held    bool   // nothing is paid to it
}

// fee is what a payout of gross costs its node: the percentage, rounded down,
// within its limits.
func (t Terms) fee(gross ledger.Amount) ledger.Amount {
	high, low := bits.Mul64(uint64(gross), uint64(t.FeeBasisPoints))
	fee, _ := bits.Div64(high, low, 10_000)
	amount := max(ledger.Amount(fee), t.FeeMin)
	if t.FeeMax > 0 {
		amount = min(amount, t.FeeMax)
	}
	return amount
}

// line prices a request. known is false where there is no such node.
func (t Terms) line(r Request, s standing, known bool, at time.Time) Line {
	if r.all {
		r.Amount = min(s.payable, t.Max)
	}
	l := Line{Request: r, nodeNo: s.nodeNo}
	l.all = false // who executes the line means this amount
	l.Priority = cmp.Or(l.Priority, "normal")
	if l.Refused = t.checkRequest(l.Request, at); l.Refused != nil {
		return l
	}
	if !known {
		l.Refused = fault.New(fault.NodeNotFound, "no node %s", r.NodeID)
		return l
	}
	l.Fee = t.fee(r.Amount)
	l.NetAmount = r.Amount - l.Fee
	l.Refused = t.checkNode(r, s)
	l.WalletAddress = cmp.Or(l.WalletAddress, s.address)
	return l
}

// checkRequest judges what was asked for by itself.
func (t Terms) checkRequest(r Request, at time.Time) *fault.Error {
	invalid := func(field, reason string) *fault.Error {
		return fault.New(fault.Validation, "%s %s", field, reason).WithFields(fault.Field{Name: field, Reason: reason})
	}
	switch {
	case r.Amount <= 0:
		return invalid("amount", "must be above 0")
	case r.Amount > t.Max:
		return invalid("amount", "is "+r.Amount.String()+" USDT; one payout is at most "+t.Max.String())
	case !slices.Contains(priorities, r.Priority):
		return invalid("priority", "must be urgent, high, normal or low")
	case r.ScheduledAt != nil && (r.ScheduledAt.Before(at) || r.ScheduledAt.Sub(at) > mostAhead):
		return invalid("scheduled_at", "must be in the future, at most a year ahead")
	case r.Amount < t.Min:
		return fault.New(fault.BelowMinimum, "%s USDT for %s is below the least payout of %s", r.Amount, r.NodeID, t.Min)
	}
	if r.WalletAddress != "" {
		if err := tron.CheckAddress(r.WalletAddress); err != nil {
			return fault.Wrap(fault.BadPayoutAddress, err, "the wallet_address for %s is none: %s", r.NodeID, err)
		}
	}
	return nil
}

// checkNode judges whether the node can be paid that now.
func (t Terms) checkNode(r Request, s standing) *fault.Error {
	switch {
	case r.all && s.payable < t.Threshold:
		return fault.New(fault.BelowMinimum, "%s has %s USDT to be paid, less than the threshold of %s", r.NodeID, s.payable, t.Threshold)
	case s.held:
		return fault.New(fault.Held, "%s is held: nothing is paid to it until that is decided, or, where its fraud was confirmed, until it is started again", r.NodeID)
	case s.address == "":
		return fault.New(fault.BadPayoutAddress, "%s has no payout address that counts by now", r.NodeID)
	case r.WalletAddress != "" && r.WalletAddress != s.address:
		return fault.New(fault.BadPayoutAddress, "%s is paid to another address than the wallet_address %s; leave it out, or change the node's address first", r.NodeID, r.WalletAddress)
	case s.live != "":
		return fault.New(fault.StateNotAllowed, "%s has a live payout already, %s", r.NodeID, s.live)
	case r.Amount > s.payable:
		return fault.New(fault.BalanceTooSmall, "%s has %s USDT to be paid, less than %s", r.NodeID, s.payable, r.Amount)
	}
	if err := t.checkAddress(s.address); err != nil {
		return fault.Wrap(fault.BadPayoutAddress, err, "%s cannot be paid: %s", r.NodeID, err)
	}
	return nil
}

// sinks keep for ever what they are sent, on whatever network. Where each is told:
//   - twenty zero bytes, which no known key has: its own form;
//   - the black hole of mainnet: tronprotocol/java-tron, framework/src/main/resources/config.conf,
//     genesis.block.assets, "Blackhole" (at 0019bb7);
//   - the contract of USDT: what the real transfers of the tests of package tron call;
//   - the contract of WTRX: trustwallet/assets, blockchains/tron/assets/TNUC9.../info.json (at d12d82a).
var sinks = []string{
	"T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
	"TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy",
	tron.USDT,
	"TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR",
}

// checkAddress tells why nothing is paid to an address.
func (t Terms) checkAddress(address string) error {
	switch {
	case slices.Contains(t.Own, address):
		return errors.New("the payout address is the project's own, or the token's contract: it would pay itself")
	case slices.Contains(sinks, address):
		return errors.New("the payout address is the black hole or a token's contract: nobody could spend what is paid there")
	}
	return tron.CheckAddress(address)
}

// needsApproval tells whether a second person must approve what a creator asks
// for, given what the same creator asked for in the 24 hours before. That sum
// holds the payout and its batch, so it is never smaller than either.
func (t Terms) needsApproval(before, asked ledger.Amount) bool {
	return t.ApprovalFrom > 0 && (before >= t.ApprovalFrom || asked >= t.ApprovalFrom-before)
}

// Hash names what the line would do: who gets how much, where and when. A line
// that would do anything else has another hash.
func (l Line) Hash() string {
	var b []byte
	for _, text := range []string{"lucid/payout-line/v1", l.NodeID, l.WalletAddress, l.Priority} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	var scheduled int64
	if l.ScheduledAt != nil {
		scheduled = l.ScheduledAt.UnixMicro()
	}
	for _, number := range []int64{int64(l.Amount), int64(l.Fee), int64(l.NetAmount), scheduled} {
		b = binary.BigEndian.AppendUint64(b, uint64(number))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// allGood refuses a batch for any of its lines, and names every bad one. Its
// code is that of the first.
func allGood(lines []Line) error {
	var refused *fault.Error
	for i, l := range lines {
		if l.Refused == nil {
			continue
		}
		if refused == nil {
			refused = fault.Wrap(l.Refused.Code, l.Refused, "no payout of the batch was made: %s", l.Refused.Message)
		}
		refused.Fields = append(refused.Fields, fieldsOf(l.Refused, i)...)
	}
	if refused == nil {
		return nil
	}
	return refused
}

// fieldsOf names what is wrong with a line by its place.
func fieldsOf(f *fault.Error, line int) []fault.Field {
	place := "payout_requests[" + strconv.Itoa(line) + "]"
	if len(f.Fields) == 0 {
		return []fault.Field{{Name: place, Reason: f.Message}}
	}
	fields := make([]fault.Field, len(f.Fields))
	for i, field := range f.Fields {
		fields[i] = fault.Field{Name: place + "." + field.Name, Reason: field.Reason}
	}
	return fields
}

// unchanged keeps the lines that do what was planned.
func unchanged(planned []Planned, lines []Line) (kept []Line, dropped []Dropped, err error) {
	for i, l := range lines {
		switch {
		case l.Refused != nil:
			dropped = append(dropped, Dropped{l.NodeID, l.Refused.Code.String() + ": " + l.Refused.Message})
		case l.Hash() != planned[i].Hash:
			dropped = append(dropped, Dropped{l.NodeID, "it changed since the plan: " + l.Amount.String() + " USDT would go to " + l.WalletAddress +
				" now, with a fee of " + l.Fee.String()})
		default:
			kept = append(kept, l)
		}
	}
	if len(kept) == 0 {
		return nil, nil, fault.New(fault.PlanChanged, "every line of the plan changed since; make a new one. The first: %s", dropped[0].Reason)
	}
	return kept, dropped, nil
}

// BatchStatus is where the payouts of a batch are, taken together.
type BatchStatus string

// PartlyCompleted is the one status of a batch that no payout has.
const PartlyCompleted BatchStatus = "partially_completed"

// statusOf a batch follows from its payouts: alike, or at work while one of them
// is, or over.
func statusOf(counts map[Status]int) BatchStatus {
	all := 0
	for _, n := range counts {
		all += n
	}
	for _, status := range []Status{Pending, Completed, Cancelled} {
		if counts[status] == all {
			return BatchStatus(status)
		}
	}
	switch {
	case counts[Pending]+counts[Processing] > 0:
		return BatchStatus(Processing)
	case counts[Completed] > 0:
		return PartlyCompleted
	}
	return BatchStatus(Failed)
}

// Status follows from its payouts.
func (b Batch) Status() BatchStatus {
	counts := make(map[Status]int)
	for _, p := range b.Payouts {
		counts[p.Status]++
	}
	return statusOf(counts)
}
