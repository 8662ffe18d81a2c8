package fraud

import (
	"cmp"
	"slices"
	"time"
)

// AddressDelay is how long a changed payout address waits.
const AddressDelay = 72 * time.Hour

// newAddresses tells of payout addresses that were changed lately. What is paid
// waits for them by itself; here it only supports a person's look.
func newAddresses(members []Member, at time.Time) (flags []Found) {
	for _, m := range members {
		if c := m.AddressChanged; !c.IsZero() && at.Sub(c) < AddressDelay {
			flags = append(flags, found(newAddress, m.NodeNo, c.UTC().Format(time.RFC3339Nano), c, addressEvidence{m.Payout, c, c.Add(AddressDelay)}))
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
