package limit

import "net/netip"

// Network is what is counted as one caller when all that is known of it is an
// address: an IPv4 address, or the IPv6 network of 64 bits that one customer
// has. Whoever holds an IPv6 address holds 2^64 of them.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	network, err := a.Prefix(64)
	if err != nil { // only for more bits than an address has
		return a
	}
	return network.Addr()
}
