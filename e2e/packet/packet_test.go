package packet

import (
	"bytes"
	"io"
	"reflect"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

// decode reads a packet with the broker's own parser.
func decode(t *testing.T, raw []byte) packets.Packet {
	t.Helper()
	p := packets.Packet{ProtocolVersion: 4}
	if err := p.FixedHeader.Decode(raw[0]); err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(raw[1:])
	size, _, err := packets.DecodeLength(r)
	if err != nil || size != r.Len() {
		t.Fatalf("length %d, %d bytes follow, %v", size, r.Len(), err)
	}
	p.FixedHeader.Remaining = size
	body := raw[len(raw)-size:]
	switch p.FixedHeader.Type {
	case packets.Connect:
		err = p.ConnectDecode(body)
	case packets.Subscribe:
		err = p.SubscribeDecode(body)
	case packets.Puback:
		err = p.PubackDecode(body)
	case packets.Pingreq:
		err = p.PingreqDecode(body)
	case packets.Disconnect:
		err = p.DisconnectDecode(body)
	default:
		err = p.PublishDecode(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConnect(t *testing.T) {
	c := decode(t, Connect(Login{ID: "node_a", Password: "sesame"})).Connect
	if c.ClientIdentifier != "node_a" || string(c.Username) != "node_a" || string(c.Password) != "sesame" ||
		!c.Clean || c.WillFlag || c.Keepalive != 120 {
		t.Errorf("%+v", c)
	}
}

func TestConnectWithWill(t *testing.T) {
	c := decode(t, Connect(Login{ID: "node_a", Password: "sesame", Will: &Will{"lucid/v1/nodes/node_a/status", []byte("gone")}})).Connect
	if c.ClientIdentifier != "node_a" || string(c.Username) != "node_a" || string(c.Password) != "sesame" || !c.Clean ||
		!c.WillFlag || c.WillQos != 1 || !c.WillRetain || c.WillTopic != "lucid/v1/nodes/node_a/status" || string(c.WillPayload) != "gone" {
		t.Errorf("%+v", c)
	}
}

func TestMessage(t *testing.T) {
	for _, m := range []Message{
		{Topic: "a/b", ID: 7, Payload: []byte("x")},
		{Topic: "a/b", ID: 8, Payload: make([]byte, 1000), Retain: true},
		{Topic: "a/b", ID: 9, Again: true},
	} {
		p := decode(t, AppendMessage(nil, m))
		if p.FixedHeader.Qos != 1 || p.FixedHeader.Retain != m.Retain || p.FixedHeader.Dup != m.Again || p.PacketID != m.ID ||
			p.TopicName != m.Topic || !bytes.Equal(p.Payload, m.Payload) {
			t.Errorf("%+v became %+v", m, p)
		}
	}
}

func TestSmallPackets(t *testing.T) {
	p := decode(t, AppendSubscribe(nil, 3, Filter{"a/b", 0}, Filter{"c", 1}))
	if p.PacketID != 3 || len(p.Filters) != 2 || p.Filters[0].Filter != "a/b" || p.Filters[0].Qos != 0 ||
		p.Filters[1].Filter != "c" || p.Filters[1].Qos != 1 {
		t.Errorf("SUBSCRIBE %+v", p)
	}
	if p := decode(t, AppendAck(nil, 300)); p.FixedHeader.Type != packets.Puback || p.PacketID != 300 {
		t.Errorf("PUBACK %+v", p)
	}
	if p := decode(t, AppendPing(nil)); p.FixedHeader.Type != packets.Pingreq {
		t.Errorf("PINGREQ %+v", p)
	}
	if p := decode(t, AppendDisconnect(nil)); p.FixedHeader.Type != packets.Disconnect {
		t.Errorf("DISCONNECT %+v", p)
	}
}

// The broker's own encoder writes what the reader is to understand.
func TestReader(t *testing.T) {
	var stream bytes.Buffer
	for _, p := range []packets.Packet{
		{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: "a/b", PacketID: 5, Payload: make([]byte, 4000)},
		{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: "c", Payload: []byte("now")},
	} {
		if err := p.PublishEncode(&stream); err != nil {
			t.Fatal(err)
		}
	}
	stream.Write([]byte{0x40, 2, 1, 44, 0x90, 4, 0, 3, 0, 0x80, 0xd0, 0})
	r := NewReader(&stream)
	for _, want := range []Packet{
		{Kind: Publish, QoS: 1, ID: 5, Topic: "a/b", Payload: make([]byte, 4000)},
		{Kind: Publish, Topic: "c", Payload: []byte("now")},
		{Kind: Puback, ID: 300, Payload: []byte{}},
		{Kind: Suback, ID: 3, Payload: []byte{0, 0x80}},
		{Kind: Pingresp, Payload: []byte{}},
	} {
		got, err := r.Next()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for _, bad := range [][]byte{{0x30, 2, 0, 9}, {0x32, 3, 0, 1, 'a'}, {0x40, 1, 0}, {0x10, 0}, {0x30, 0xff, 0xff, 0xff, 0x7f}} {
		if p, err := NewReader(bytes.NewReader(bad)).Next(); err == nil {
			t.Errorf("% x was read as %+v", bad, p)
		}
	}
}
