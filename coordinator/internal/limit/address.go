package limit

import "net/netip"

// Network is what is counted as one caller when all that is known of it is an
// address: an IPv4 address, or the IPv6 network of 64 bits that one customer
// has. Whoever holds an IPv6 address holds 2^64 of them.
func Network(a netip.Addr) netip.Addr { return masked(a, 64) }

// Site is the IPv6 network of 48 bits around an address, of which one customer
// may have a whole with its 65,536 Networks; ok is false for IPv4.
func Site(a netip.Addr) (site netip.Addr, ok bool) {
	site = masked(a, 48)
	return site, site.Is6()
}

func masked(a netip.Addr, bits int) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	network, err := a.Prefix(bits)
	if err != nil { // only for more bits than an address has
		return a
	}
	return network.Addr()
}
