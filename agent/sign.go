package agent

import (
	"time"

	"lucid.internal/agent/internal/identity"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// SignPayoutAddress signs where this machine's node is to be paid to, with its
// device key.
func SignPayoutAddress(stateDir, address string, now time.Time) (*wire.SignedChange, error) {
	id, err := identity.Load(stateDir)
	if err != nil {
		return nil, err
	}
	c := &wire.SignedChange{V: wire.ProtocolVersion, NodeID: id.NodeID, Field: wire.FieldPayoutAddress, Value: address, SignedMs: now.UnixMilli()}
	proof.SignChange(id.Device, c)
	return c, c.Check()
}
