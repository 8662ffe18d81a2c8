package broker

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// conn is a client's connection as the server sees it. It carries the session,
// so that a hook finds it without a map, keeps metrics from the server, and
// bounds every write.
type conn struct {
	net.Conn          // TLS or raw
	raw      net.Conn // what is closed
	timeout  time.Duration
	network  netip.Addr // what it counts as; not valid: not limited
	session  atomic.Pointer[session]
	input    input
}

func newConn(raw net.Conn, config *tls.Config, timeout time.Duration) *conn {
	c := &conn{Conn: raw, raw: raw, timeout: timeout}
	if config != nil {
		c.Conn = tls.Server(raw, config)
	}
	c.input.open(c.Conn)
	return c
}

// SetDeadline is how the server applies the keep-alive, which is about silence
// of the client. Writes have their own limit.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Write closes the connection when it fails, because part of a packet may be
// out, and the server would only note it.
func (c *conn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.timeout))
	n, err := c.Conn.Write(b)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}

// Close closes at once. TLS would first write, and wait seconds on a client
// that does not read; MQTT needs no such farewell.
func (c *conn) Close() error { return c.raw.Close() }
