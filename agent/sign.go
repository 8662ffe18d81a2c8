package agent

import (
	"time"

	"lucid.internal/agent/internal/identity"
	"lucid.internal/shared/address"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// SignPayoutAddress signs where this machine's node is to be paid to, with its
// device key. It signs no address that the coordinator would not take.
func SignPayoutAddress(stateDir, payee string, now time.Time) (*wire.SignedChange, error) {
	if err := address.Check(payee); err != nil {
		return nil, err
	}
	id, err := identity.Load(stateDir)
	if err != nil {
		return nil, err
	}
	c := &wire.SignedChange{V: wire.ProtocolVersion, NodeID: id.NodeID, Field: wire.FieldPayoutAddress, Value: payee, SignedMs: now.UnixMilli()}
	proof.SignChange(id.Device, c)
	return c, c.Check()
}
