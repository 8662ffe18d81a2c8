package webhook

import (
	"net/netip"
	"slices"
)

// allowed reports whether webhooks may be sent to an address. This machine and
// private networks may be reached, since only admins make webhooks and
// receivers often stand there. What a cloud's machines are told by link-local
// and like addresses (keys, among other things) may not.
func allowed(a netip.Addr, linkLocal bool) bool {
	a = within(a.Unmap().WithZone(""))
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case a.IsLinkLocalUnicast(), slices.ContainsFunc(ofClouds(), func(p netip.Prefix) bool { return p.Contains(a) }):
		return linkLocal
	}
	return true
}

// within is the IPv4 address that an IPv6 one leads to: by NAT64 (RFC 6052 and
// 8215) or 6to4 (RFC 3056).
func within(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("64:ff9b:1::/48").Contains(a):
		return netip.AddrFrom4([4]byte(b[12:]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// ofClouds are addresses, beside link-local ones, at which clouds give their
// machines keys.
func ofClouds() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("fd00:ec2::/32"),          // Amazon: metadata, and EKS at ::23
		netip.MustParsePrefix("fd20:ce::254/128"),       // Google
		netip.MustParsePrefix("168.63.129.16/32"),       // Azure
		netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba
		netip.MustParsePrefix("192.0.0.192/32"),         // Oracle
		netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle
		netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
	}
}
