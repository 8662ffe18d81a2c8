package proof

import (
	"testing"

	"lucid.internal/shared/wire"
)

func TestAck(t *testing.T) {
	key := Key{1, 2, 3}
	a := wire.MetricsAck{V: wire.ProtocolVersion, Run: wire.RunID{4}, Seq: 9}
	SignAck(key, "node_a", &a)
	if !VerifyAck(key, "node_a", &a) {
		t.Fatal("a good acknowledgement is refused")
	}
	for name, forged := range map[string]func() bool{
		"another key":  func() bool { return VerifyAck(Key{9}, "node_a", &a) },
		"another node": func() bool { return VerifyAck(key, "node_b", &a) },
		"another run":  func() bool { b := a; b.Run = wire.RunID{5}; return VerifyAck(key, "node_a", &b) },
		"another seq":  func() bool { b := a; b.Seq++; return VerifyAck(key, "node_a", &b) },
		"no MAC":       func() bool { b := a; b.MAC = nil; return VerifyAck(key, "node_a", &b) },
	} {
		if forged() {
			t.Errorf("%s: taken", name)
		}
	}
}
