package proof

import (
	"crypto/hmac"

	"lucid.internal/shared/wire"
)

const domainCommand = "lucid/command/v1"

// commandBytes are the canonical bytes that a command's MAC covers.
func commandBytes(nodeID string, c *wire.Command) []byte {
	b := make([]byte, 0, 256)
	b = appendString(b, domainCommand)
	b = appendString(b, nodeID)
	b = appendString(b, c.CommandID)
	b = appendString(b, string(c.Kind))
	b = appendInt(b, uint64(c.IssuedMs))
	b = appendInt(b, uint64(c.ExpiresMs))
	b = appendInt(b, c.Version)
	if k := c.Key; k != nil {
		b = appendInt(b, uint64(k.KeyEpoch))
		b = appendField(b, k.X25519Public)
		b = appendField(b, k.Signature)
	}
	if w := c.Coordinator; w != nil {
		b = appendField(b, whereaboutsBytes(nodeID, w))
		b = appendField(b, w.Signature)
	}
	return b
}

// SignCommand sets the MAC of a command to a node, under its command key.
func SignCommand(key Key, nodeID string, c *wire.Command) {
	mac := key.mac(commandBytes(nodeID, c))
	c.MAC = mac[:]
}

// VerifyCommand reports in constant time whether a command was made for this
// node with its command key.
func VerifyCommand(key Key, nodeID string, c *wire.Command) bool {
	want := key.mac(commandBytes(nodeID, c))
	return hmac.Equal(c.MAC, want[:])
}
