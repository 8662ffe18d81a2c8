package proof_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestChangeIsWhatItsDeviceSigned(t *testing.T) {
	public, device, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := wire.SignedChange{V: 1, NodeID: "node_a", Field: wire.FieldPayoutAddress, Value: "T1", SignedMs: 1}
	proof.SignChange(device, &signed)
	if err := proof.VerifyChange(public, &signed); err != nil || signed.Check() != nil {
		t.Fatalf("as signed: %v, %v", err, signed.Check())
	}
	for name, alter := range map[string]func(*wire.SignedChange){
		"another node":  func(c *wire.SignedChange) { c.NodeID = "node_b" },
		"another field": func(c *wire.SignedChange) { c.Field = "name" },
		"another value": func(c *wire.SignedChange) { c.Value = "T2" },
		"another time":  func(c *wire.SignedChange) { c.SignedMs = 2 },
		"moved border":  func(c *wire.SignedChange) { c.Field, c.Value = c.Field+"T", "1" },
	} {
		altered := signed
		alter(&altered)
		if err := proof.VerifyChange(public, &altered); !errors.Is(err, proof.ErrSignature) {
			t.Errorf("%s: %v, want ErrSignature", name, err)
		}
	}
	if err := proof.VerifyChange(public[:31], &signed); err == nil {
		t.Error("a key of 31 bytes was taken")
	}
}
