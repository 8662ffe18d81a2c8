package proof

import (
	"crypto/hmac"

	"lucid.internal/shared/wire"
)

const domainConfig = "lucid/config/v1"

// configBytes are the canonical bytes that a configuration's MAC covers.
func configBytes(nodeID string, c *wire.Config) []byte {
	b := make([]byte, 0, 256)
	b = appendString(b, domainConfig)
	b = appendString(b, nodeID)
	b = appendString(b, c.ConfigID)
	b = appendInt(b, c.Version)
	b = appendInt(b, uint64(c.IssuedMs))
	b = appendInt(b, uint64(c.ExpiresMs))
	b = appendInt(b, uint64(c.SampleIntervalMs))
	b = appendInt(b, uint64(c.PublishIntervalMs))
	if c.Update == nil {
		return appendInt(b, 0)
	}
	b = appendInt(b, 1)
	b = appendString(b, c.Update.Version)
	b = appendString(b, c.Update.Ring)
	return appendString(b, c.Update.Window)
}

// SignConfig sets the MAC of a configuration to a node, under its command key.
func SignConfig(key Key, nodeID string, c *wire.Config) {
	mac := key.mac(configBytes(nodeID, c))
	c.MAC = mac[:]
}

// VerifyConfig reports in constant time whether a configuration was made for
// this node with its command key.
func VerifyConfig(key Key, nodeID string, c *wire.Config) bool {
	want := key.mac(configBytes(nodeID, c))
	return hmac.Equal(c.MAC, want[:])
}
