package main

import (
	"net"
	"testing"

	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// A client that greets is sent messages of ours between its acknowledgements: it
// acknowledges those, and takes none for an answer.
func TestGreetedClientSends(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := &client{conn: ours, acks: make(chan uint16, wire.MaxUnacknowledged)}
	defer c.conn.Close()
	go c.obey(packet.NewReader(ours))
	acknowledged := make(chan packet.Packet, 1)
	go func() {
		in := packet.NewReader(theirs)
		first, err := in.Next()
		if err == nil {
			_, err = theirs.Write(packet.AppendMessage(nil, packet.Message{Topic: "challenge", ID: 7, Payload: []byte("x")}))
		}
		var second packet.Packet
		if err == nil {
			second, err = in.Next()
		}
		if err == nil {
			_, err = theirs.Write(packet.AppendAck(nil, first.ID))
		}
		if err != nil {
			t.Error(err)
		}
		acknowledged <- second
	}()
	if err := c.exchange(packet.AppendMessage(nil, packet.Message{Topic: "metrics", ID: 1, Payload: []byte("y")}), 1); err != nil {
		t.Error(err)
	}
	if p := <-acknowledged; p.Kind != packet.Puback || p.ID != 7 {
		t.Errorf("the client answered a message with %+v", p)
	}
	theirs.Close()
	if err := c.awaitAcks(1); err == nil {
		t.Error("a connection that ended acknowledges")
	}
}
