package proof

import (
	"crypto/ed25519"

	"lucid.internal/shared/wire"
)

const domainChange = "lucid/change/v1"

// changeBytes are the canonical bytes that the device key signs: node id,
// field, value, time of signing.
func changeBytes(c *wire.SignedChange) []byte {
	b := appendString(nil, domainChange)
	b = appendString(b, c.NodeID)
	b = appendString(b, c.Field)
	b = appendString(b, c.Value)
	return appendInt(b, uint64(c.SignedMs))
}

// SignChange sets the signature of a change by the device key.
func SignChange(device ed25519.PrivateKey, c *wire.SignedChange) {
	c.Signature = ed25519.Sign(device, changeBytes(c))
}

// VerifyChange checks the device's signature of a change.
func VerifyChange(device ed25519.PublicKey, c *wire.SignedChange) error {
	return verify(device, changeBytes(c), c.Signature)
}
