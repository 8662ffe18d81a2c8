package packet

import (
	"context"
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
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := login(conn, who); err != nil {
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
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer != [4]byte{0x20, 2, 0, 0} {
		return fmt.Errorf("CONNECT was answered with % x", answer)
	}
	return nil
}
