package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"

	"lucid.internal/shared/wire"
)

const (
	domainEnrollRequest = "lucid/enroll/v1/request"
	domainEnroll        = "lucid/enroll/v1"
)

// ErrSignature is a signature that does not match its message and key.
var ErrSignature = errors.New("proof: signature does not match")

// EnrollRequestTranscript are the bytes that the device signs: token hash,
// X25519 key, device key, inventory hash, payout address.
func EnrollRequestTranscript(r *wire.EnrollRequest) []byte {
	token := sha256.Sum256([]byte(r.Token))
	inventory := sha256.Sum256(r.Inventory)
	b := appendString(nil, domainEnrollRequest)
	b = appendField(b, token[:])
	b = appendField(b, r.X25519Public)
	b = appendField(b, r.DevicePublic)
	b = appendField(b, inventory[:])
	return appendString(b, r.PayoutAddress)
}

// EnrollTranscript are the bytes that the coordinator signs, and whose hash
// salts the root secret: the request's transcript, then node id, key epoch,
// the coordinator's X25519 key, broker addresses and CA.
func EnrollTranscript(req *wire.EnrollRequest, resp *wire.EnrollResponse) []byte {
	b := appendString(nil, domainEnroll)
	b = appendField(b, EnrollRequestTranscript(req))
	b = appendString(b, resp.NodeID)
	b = appendInt(b, uint64(resp.KeyEpoch))
	b = appendField(b, resp.X25519Public)
	b = appendInt(b, uint64(len(resp.MQTT)))
	for _, address := range resp.MQTT {
		b = appendString(b, address)
	}
	return appendString(b, resp.CAPEM)
}

// VerifyEnrollRequest checks the device's signature of a request.
func VerifyEnrollRequest(r *wire.EnrollRequest) error {
	return verify(r.DevicePublic, EnrollRequestTranscript(r), r.Signature)
}

// VerifyEnrollResponse checks the coordinator's signature of a response.
func VerifyEnrollResponse(enrolmentKey ed25519.PublicKey, req *wire.EnrollRequest, resp *wire.EnrollResponse) error {
	return verify(enrolmentKey, EnrollTranscript(req, resp), resp.Signature)
}
