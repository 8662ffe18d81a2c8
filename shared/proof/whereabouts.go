package proof

import (
	"crypto/ed25519"

	"lucid.internal/shared/wire"
)

const domainWhereabouts = "lucid/whereabouts/v1"

// whereaboutsBytes are the bytes that the coordinator signs: node id, CAs, how
// many addresses, each address.
func whereaboutsBytes(nodeID string, w *wire.Whereabouts) []byte {
	b := appendString(nil, domainWhereabouts)
	b = appendString(b, nodeID)
	b = appendString(b, w.CAPEM)
	b = appendInt(b, uint64(len(w.MQTT)))
	for _, address := range w.MQTT {
		b = appendString(b, address)
	}
	return b
}

// SignWhereabouts sets the signature by the coordinator's enrolment key.
func SignWhereabouts(enrolmentKey ed25519.PrivateKey, nodeID string, w *wire.Whereabouts) {
	w.Signature = ed25519.Sign(enrolmentKey, whereaboutsBytes(nodeID, w))
}

// VerifyWhereabouts checks the coordinator's signature for this node.
func VerifyWhereabouts(enrolmentKey ed25519.PublicKey, nodeID string, w *wire.Whereabouts) error {
	return verify(enrolmentKey, whereaboutsBytes(nodeID, w), w.Signature)
}
