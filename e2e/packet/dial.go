package packet

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// replyTimeout bounds the wait for CONNACK.
const replyTimeout = 30 * time.Second

// Dial connects without TLS and logs in. The deadline of the login still
// stands on the connection: set another.
func Dial(ctx context.Context, addr string, who Login) (net.Conn, error) {
	return DialTLS(ctx, addr, nil, who)
}

// DialTLS is Dial over TLS, whose configuration names the server; nil is
// without.
func DialTLS(ctx context.Context, addr string, config *tls.Config, who Login) (net.Conn, error) {
	return DialFrom(ctx, nil, addr, config, who)
}

// DialFrom is DialTLS from an address of this machine's; nil is any.
func DialFrom(ctx context.Context, from net.Addr, addr string, config *tls.Config, who Login) (net.Conn, error) {
	d := net.Dialer{LocalAddr: from}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if config != nil {
		conn = tls.Client(conn, config)
	}
	// The login waits for nobody who no longer wants it.
	unhook := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = login(conn, who)
	if !unhook() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func login(conn net.Conn, who Login) error {
	if err := conn.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(Connect(who)); err != nil {
		return err
	}
	// Unbuffered: what the server sends next is for the connection's own reader.
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer != [4]byte{0x20, 2, 0, 0} {
		return fmt.Errorf("CONNECT was answered with % x", answer)
	}
	return nil
}
