package webhook

import "net/netip"

// allowed reports whether webhooks may be sent to an address. This machine and
// private networks may be reached, since only admins make webhooks and
// receivers often stand there. What a cloud's machines are told by link-local
// and like addresses (keys, among other things) may not.
func allowed(a netip.Addr, linkLocal bool) bool {
	a = a.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case a.IsLinkLocalUnicast(), a == netip.AddrFrom4([4]byte{100, 100, 100, 200}), a == netip.MustParseAddr("fd00:ec2::254"):
		return linkLocal
	}
	return true
}
