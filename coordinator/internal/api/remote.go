package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// remoteOf is the address that a request comes from: its connection's, or when
// that is a trusted proxy's, what the proxy says. Each proxy adds at the end of
// X-Forwarded-For whom it was asked by, so the list is read from there, and
// ends with the first address that is not a trusted proxy's: what stands
// before it, the caller may have made up. It is the zero address when there is
// none to be read.
func (s *server) remoteOf(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	address := from.Addr().Unmap()
	if !s.isProxy(address) {
		return address
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		before, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return address
		}
		if address = before; !s.isProxy(address) {
			return address
		}
	}
	return address
}

func (s *server) isProxy(a netip.Addr) bool {
	a = a.WithZone("")
	return slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseHop reads an address with or without a port.
func parseHop(text string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.Unmap(), err == nil
}

// isPrivate reports whether nobody on the way could read the request: it came
// over TLS, or from this machine itself. Of a request that a trusted proxy
// passes on, the proxy says how it came, if it says so; a proxy on this machine
// that nobody named speaks for somebody else.
func (s *server) isPrivate(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	if scheme := r.Header.Get("X-Forwarded-Proto"); scheme != "" && s.isProxy(from.Addr().Unmap()) {
		return strings.EqualFold(scheme, "https")
	}
	forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != ""
	return !forwarded && from.Addr().IsLoopback()
}

// isEncrypted reports whether the request left its caller over TLS, which ends
// here or at a trusted proxy that says so.
func (s *server) isEncrypted(r *http.Request) bool {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return r.TLS != nil || s.isProxy(from.Addr().Unmap()) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
