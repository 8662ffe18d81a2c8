package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// rawReader is key_a over MQTT 5 without a library, so that a test says what is
// acknowledged, and when.
type rawReader struct {
	t    *testing.T
	rig  *rig
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) rawReader(receiveMaximum uint16) *rawReader {
	r.t.Helper()
	return r.rawReaderWith("raw", packets.Properties{ReceiveMaximum: receiveMaximum})
}

func (r *rig) rawReaderWith(clientID string, properties packets.Properties) *rawReader {
	r.t.Helper()
	c, err := net.Dial("tcp", r.PlainAddr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	raw := &rawReader{r.t, r, c, bufio.NewReader(c)}
	raw.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 60, ClientIdentifier: clientID,
			UsernameFlag: true, Username: []byte("key_a"), PasswordFlag: true, Password: []byte("secret"),
		},
		Properties: properties,
	})
	want(r.t, "answer to CONNECT", raw.next().FixedHeader.Type, packets.Connack)
	return raw
}

func (r *rawReader) send(pk packets.Packet) {
	r.t.Helper()
	pk.ProtocolVersion = 5
	encode := map[byte]func(*packets.Packet, *bytes.Buffer) error{
		packets.Connect: (*packets.Packet).ConnectEncode, packets.Subscribe: (*packets.Packet).SubscribeEncode,
		packets.Unsubscribe: (*packets.Packet).UnsubscribeEncode, packets.Puback: (*packets.Packet).PubackEncode,
		packets.Pingreq: (*packets.Packet).PingreqEncode,
	}[pk.FixedHeader.Type]
	var b bytes.Buffer
	if err := encode(&pk, &b); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.conn.Write(b.Bytes()); err != nil {
		r.t.Fatal(err)
	}
}

// next reads a packet.
func (r *rawReader) next() packets.Packet {
	r.t.Helper()
	pk := packets.Packet{ProtocolVersion: 5}
	first, err := r.in.ReadByte()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		r.t.Fatal(err)
	}
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.in, body); err != nil {
		r.t.Fatal(err)
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return pk
}

// subscribe gives the reason code of one filter.
func (r *rawReader) subscribe(s packets.Subscription) byte {
	r.t.Helper()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 7, Filters: packets.Subscriptions{s}}
	if s.Identifier > 0 {
		pk.Properties.SubscriptionIdentifier = []int{s.Identifier}
	}
	r.send(pk)
	return r.answer(packets.Suback)
}

func (r *rawReader) unsubscribe(filter string) byte {
	r.t.Helper()
	r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 7,
		Filters: packets.Subscriptions{{Filter: filter}}})
	return r.answer(packets.Unsuback)
}

func (r *rawReader) answer(kind byte) byte {
	r.t.Helper()
	pk := r.next()
	want(r.t, "kind of answer", pk.FixedHeader.Type, kind)
	want(r.t, "number of the answer", pk.PacketID, 7)
	return pk.ReasonCodes[0]
}

func (r *rawReader) acknowledge(packetID uint16) {
	r.t.Helper()
	r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: packetID})
}

// wantMessage reads a publication and acknowledges it.
func (r *rawReader) wantMessage(payload string, qos byte, retain bool, identifiers ...int) {
	r.t.Helper()
	pk := r.next()
	want(r.t, "message", fmt.Sprintf("%s qos %d retain %t %v", pk.Payload, pk.FixedHeader.Qos, pk.FixedHeader.Retain, pk.Properties.SubscriptionIdentifier),
		fmt.Sprintf("%s qos %d retain %t %v", payload, qos, retain, identifiers))
	if pk.FixedHeader.Qos > 0 {
		r.acknowledge(pk.PacketID)
	}
}

// wantNothing: when all that came before a ping is done, and no write is under
// way, what was sent lies before the answer to the next.
func (r *rawReader) wantNothing() {
	r.t.Helper()
	for range 2 {
		r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
		want(r.t, "next packet", r.next().FixedHeader.Type, packets.Pingresp)
		for o := &r.rig.readers.list()[0].outbox; o.busy(); {
			runtime.Gosched()
		}
	}
}
