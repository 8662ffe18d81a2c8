package proof

import (
	"crypto/hmac"

	"lucid.internal/shared/wire"
)

const domainAck = "lucid/metrics-ack/v1"

// ackBytes are the canonical bytes that the MAC of an acknowledgement covers.
func ackBytes(nodeID string, a *wire.MetricsAck) []byte {
	b := make([]byte, 0, 160)
	b = appendString(b, domainAck)
	b = appendString(b, nodeID)
	b = appendField(b, a.Run[:])
	return appendInt(b, a.Seq)
}

// SignAck sets the MAC of an acknowledgement to a node, under its challenge key.
func SignAck(key Key, nodeID string, a *wire.MetricsAck) {
	mac := key.mac(ackBytes(nodeID, a))
	a.MAC = mac[:]
}

// VerifyAck reports in constant time whether an acknowledgement was made for
// this node with its challenge key.
func VerifyAck(key Key, nodeID string, a *wire.MetricsAck) bool {
	want := key.mac(ackBytes(nodeID, a))
	return hmac.Equal(a.MAC, want[:])
}
