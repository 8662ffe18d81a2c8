package packet

import (
	"bytes"
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
	if p.FixedHeader.Type == packets.Connect {
		err = p.ConnectDecode(body)
	} else {
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
