package coordinator

import (
	"net"
	"net/netip"
	"slices"
)

// proxied is the listener of plain HTTP: it lets in this machine itself and the
// named proxies. From anybody else an API key would have come in the clear.
type proxied struct {
	net.Listener
	proxies []netip.Prefix
}

// Accept closes the connections of others unread.
func (p proxied) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil || p.admits(conn.RemoteAddr()) {
			return conn, err
		}
		_ = conn.Close()
	}
}

func (p proxied) admits(remote net.Addr) bool {
	from, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return false
	}
	address := from.Addr().Unmap().WithZone("")
	return address.IsLoopback() ||
		slices.ContainsFunc(p.proxies, func(proxy netip.Prefix) bool { return proxy.Contains(address) })
}
