package fraud

import (
	"cmp"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

// newAddresses tells of payout addresses that were changed lately. What is paid
// waits for them by itself; here it only supports a person's look.
func newAddresses(members []Member, at time.Time) (flags []Found) {
	for _, m := range members {
		if c := m.AddressChanged; !c.IsZero() && at.Sub(c) < node.AddressWait {
			flags = append(flags, found(newAddress, m.NodeNo, c.UTC().Format(time.RFC3339Nano), c, addressEvidence{m.Payout, c, c.Add(node.AddressWait)}))
		}
	}
	slices.SortFunc(flags, func(a, b Found) int { return cmp.Compare(a.NodeNo, b.NodeNo) })
	return flags
}

type addressEvidence struct {
	Address   string    `json:"address"`
	ChangedAt time.Time `json:"changed_at"`
	PaidFrom  time.Time `json:"paid_from"`
}

// Earning is what an epoch gave to a node, and what its statement says of how.
type Earning struct {
	NodeNo   int32
	EpochEnd time.Time // exclusive: midnight is of the day before
	Share    ledger.Amount
	Reasons  []string
}

// reasonCapped is the statement's word for a share that was cut at the daily cap.
const reasonCapped = "capped"

// capped tells who reached the most that a node earns in a day, once a day,
// however many epochs and pools had to cut its share then.
func capped(earnings []Earning) (flags []Found) {
	type nodeDay struct {
		nodeNo int32
		day    string
	}
	first := map[nodeDay]Earning{}
	for _, e := range earnings {
		k := nodeDay{e.NodeNo, day(e.EpochEnd.Add(-1))}
		if f, known := first[k]; slices.Contains(e.Reasons, reasonCapped) && (!known || e.EpochEnd.Before(f.EpochEnd)) {
			first[k] = e
		}
	}
	for k, e := range first {
		flags = append(flags, found(dailyCap, k.nodeNo, k.day, e.EpochEnd, capEvidence{e.EpochEnd, e.Share}))
	}
	return sorted(flags)
}

type capEvidence struct {
	EpochEnd time.Time     `json:"epoch_end"` // of the first epoch of that day whose share was cut
	Left     ledger.Amount `json:"left_usdt"` // of that share
}
