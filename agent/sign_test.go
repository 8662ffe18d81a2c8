package agent

import (
	"crypto/ed25519"
	"testing"
	"time"

	"lucid.internal/agent/internal/identity"
	"lucid.internal/shared/proof"
)

func TestPayoutAddressIsSignedByTheDeviceKey(t *testing.T) {
	dir := newNetwork(t, nil).config.StateDir
	const address = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	c, err := SignPayoutAddress(dir, address, time.UnixMilli(1_800_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.VerifyChange(id.Device.Public().(ed25519.PublicKey), c); err != nil || c.NodeID != id.NodeID || c.Value != address {
		t.Errorf("signed %+v: %v", c, err)
	}
}

// What the coordinator will not take is not signed, and nobody carries it there.
func TestNoSignatureUnderWhatIsNoTRONAddress(t *testing.T) {
	dir := newNetwork(t, nil).config.StateDir
	for _, address := range []string{"T123", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLz", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"} {
		if c, err := SignPayoutAddress(dir, address, time.UnixMilli(1_800_000_000_000)); err == nil || c != nil {
			t.Errorf("%s is signed: %+v, %v", address, c, err)
		}
	}
}
