package coordinator

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// callers is a listener to which one connection comes from each address.
type callers struct {
	net.Listener
	from []string
}

func (c *callers) Accept() (net.Conn, error) {
	if len(c.from) == 0 {
		return nil, io.EOF
	}
	near, _ := net.Pipe()
	remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from[0]))
	c.from = c.from[1:]
	return caller{near, remote}, nil
}

type caller struct {
	net.Conn
	remote net.Addr
}

func (c caller) RemoteAddr() net.Addr { return c.remote }

func TestPlainHTTPIsForThisMachineAndNamedProxies(t *testing.T) {
	from := &callers{from: []string{
		"192.0.2.7:1000", "127.0.0.1:1001", "[::ffff:10.1.2.3]:1002", "10.2.0.1:1003", "[::1]:1004", "[2001:db8::1]:1005", "10.1.255.255:1006",
	}}
	listener := proxied{from, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	var got []string
	for {
		conn, err := listener.Accept()
		if err != nil {
			break
		}
		got = append(got, conn.RemoteAddr().String())
	}
	want := []string{"127.0.0.1:1001", "10.1.2.3:1002", "[::1]:1004", "10.1.255.255:1006"}
	if len(got) != len(want) {
		t.Fatalf("let in %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("let in %v, want %v", got, want)
		}
	}
}
