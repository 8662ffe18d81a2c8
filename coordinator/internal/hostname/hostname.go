// Package hostname owns what can be told of a host by its name or address alone.
// It is pure: it looks no name up.
package hostname

import (
	"net/netip"
	"strings"
)

// Loopback reports whether a listener on host is out of reach of other machines, and
// what is sent to it stays on this one.
func Loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Wildcard tells a listen host that means all interfaces from one that names a
// place.
func Wildcard(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || err == nil && address.Unmap().IsUnspecified()
}

// Valid reports whether host is an IP address or a DNS name (RFC 1123).
func Valid(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(label string) bool {
	return label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-' && !strings.ContainsFunc(label, func(r rune) bool {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		return !letter && (r < '0' || r > '9') && r != '-'
	})
}
