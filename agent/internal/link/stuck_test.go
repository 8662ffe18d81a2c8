package link

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"lucid.internal/shared/wire"
)

// deafBroker lets clients log in and subscribe, and then reads nothing more
// while the connection stays open: what a network does that lost the way
// back. It ends with the test.
func deafBroker(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { listener.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			logIn(tls.Server(conn, config))
		}
	}()
	return listener.Addr().String()
}

// logIn answers CONNECT and SUBSCRIBE.
func logIn(conn net.Conn) {
	if _, err := packets.ReadPacket(conn); err != nil {
		return
	}
	if packets.NewControlPacket(packets.Connack).Write(conn) != nil {
		return
	}
	packet, err := packets.ReadPacket(conn)
	subscribe, ok := packet.(*packets.SubscribePacket)
	if err != nil || !ok {
		return
	}
	answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	answer.MessageID, answer.ReturnCodes = subscribe.MessageID, make([]byte, len(subscribe.Topics))
	_ = answer.Write(conn)
}

func TestStuckConnectionHoldsNobodyUp(t *testing.T) {
	f := newFixture(t, nil)
	address := deafBroker(t, f.authority.Server(t, "127.0.0.1"))
	s := f.session(f.start(func(c *Config) { c.Servers, c.WriteTimeout = []string{address}, 9*time.Second }))
	for range 60 { // the first fill every buffer on the way
		ctx, cancel := context.WithTimeout(f.ctx, 10*time.Millisecond)
		if s.Publish(ctx, wire.ChannelMetrics, make([]byte, wire.MaxMessageBytes), 1, false) == nil {
			t.Error("published, though nobody reads")
		}
		cancel()
	}
	if len(s.turn) == 0 {
		t.Error("this waited for the stuck write, or there was none")
	}
	s.Leave()
	s.turn <- struct{}{} // that write has given up: nothing of the test is left behind
}
