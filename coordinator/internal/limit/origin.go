package limit

import (
	"net/netip"
	"time"
)

// SiteNetworks is of how many Networks a Site has the allowance: enough for the
// offices of a company, and far from the 65,536 that somebody who floods may have.
const SiteNetworks = 16

// Origins counts what comes from addresses: of each Network, and of all those of
// a Site together.
type Origins struct{ networks, sites *Limiter[netip.Addr] }

// NewOrigins makes Origins that remember at least so many Networks, and Sites.
func NewOrigins(keys int) *Origins {
	return &Origins{New[netip.Addr](keys), New[netip.Addr](keys)}
}

// Take counts one request from an address, of which perMinute are allowed to its
// Network. The result tells of the Network, unless it is its Site that is refused.
func (o *Origins) Take(a netip.Addr, perMinute int, now time.Time) Result {
	return o.TakeMore(a, perMinute, 0, now)
}

// TakeMore is Take where so many more a minute are allowed: to the Network, and
// to all those of its Site together.
func (o *Origins) TakeMore(a netip.Addr, perMinute, more int, now time.Time) Result {
	if r := o.look(a, perMinute, more, now); !r.Allowed {
		return r
	}
	if site, ok := Site(a); ok {
		o.sites.Take(site, SiteNetworks*perMinute+more, now)
	}
	return o.networks.Take(Network(a), perMinute+more, now)
}

// Look tells what Take would find, and counts nothing.
func (o *Origins) Look(a netip.Addr, perMinute int, now time.Time) Result {
	return o.look(a, perMinute, 0, now)
}

func (o *Origins) look(a netip.Addr, perMinute, more int, now time.Time) Result {
	if site, ok := Site(a); ok {
		if r := o.sites.Look(site, SiteNetworks*perMinute+more, now); !r.Allowed {
			return r
		}
	}
	return o.networks.Look(Network(a), perMinute+more, now)
}
