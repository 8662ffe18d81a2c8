package proof

import (
	"crypto/ecdh"
	"crypto/ed25519"

	"lucid.internal/shared/wire"
)

const (
	domainOffer    = "lucid/rotation/v1/offer"
	domainRotation = "lucid/rotation/v1"
)

// Epoch is one key epoch of a node, with the keys of its root.
type Epoch struct {
	No   uint32 // from 1
	Keys Keys
}

// offerTranscript are the bytes that the coordinator signs: node id, the new key
// epoch, the coordinator's X25519 key.
func offerTranscript(nodeID string, o *wire.KeyOffer) []byte {
	b := appendString(nil, domainOffer)
	b = appendString(b, nodeID)
	b = appendInt(b, uint64(o.KeyEpoch))
	return appendField(b, o.X25519Public)
}

// rotationTranscript are the bytes that the device signs, and whose hash salts
// the new root: the signed offer, then the device's X25519 key.
func rotationTranscript(nodeID string, o *wire.KeyOffer, public []byte) []byte {
	b := appendString(nil, domainRotation)
	b = appendField(b, offerTranscript(nodeID, o))
	b = appendField(b, o.Signature)
	return appendField(b, public)
}

// SignOffer sets the signature of an offer by the coordinator's enrolment key.
func SignOffer(enrolmentKey ed25519.PrivateKey, nodeID string, o *wire.KeyOffer) {
	o.Signature = ed25519.Sign(enrolmentKey, offerTranscript(nodeID, o))
}

// VerifyOffer checks the coordinator's signature of an offer to this node.
func VerifyOffer(enrolmentKey ed25519.PublicKey, nodeID string, o *wire.KeyOffer) error {
	return verify(enrolmentKey, offerTranscript(nodeID, o), o.Signature)
}

// SignAnswer is the device's half of the exchange that an offer began, with its
// public X25519 key.
func SignAnswer(device ed25519.PrivateKey, nodeID string, o *wire.KeyOffer, public []byte) *wire.KeyAnswer {
	return &wire.KeyAnswer{X25519Public: public, Signature: ed25519.Sign(device, rotationTranscript(nodeID, o, public))}
}

// VerifyAnswer checks the device's signature of an answer to this offer.
func VerifyAnswer(device ed25519.PublicKey, nodeID string, o *wire.KeyOffer, a *wire.KeyAnswer) error {
	return verify(device, rotationTranscript(nodeID, o, a.X25519Public), a.Signature)
}

// RotatedRoot derives the new root from this side's private key and the other
// side's public one: HKDF-SHA256(secret = X25519(private, peer), salt =
// SHA-256(transcript)). public is the device's.
func RotatedRoot(private *ecdh.PrivateKey, peer []byte, nodeID string, o *wire.KeyOffer, public []byte) (Key, error) {
	return RootFrom(private, peer, "", rotationTranscript(nodeID, o, public))
}

func verify(key ed25519.PublicKey, message, signature []byte) error {
	key, err := ParseDeviceKey(key)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, message, signature) {
		return ErrSignature
	}
	return nil
}
