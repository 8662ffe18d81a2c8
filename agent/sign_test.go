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
	c, err := SignPayoutAddress(dir, "T1", time.UnixMilli(1_800_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.VerifyChange(id.Device.Public().(ed25519.PublicKey), c); err != nil || c.NodeID != id.NodeID || c.Value != "T1" {
		t.Errorf("signed %+v: %v", c, err)
	}
}
