package wire

import (
	"cmp"
	"errors"
)

// KeyOffer is the coordinator's half of the exchange that gives a node its next
// root secret. Its enrolment key signs it (proof.SignOffer), so that who copied
// the present root cannot make one.
type KeyOffer struct {
	KeyEpoch     uint32 `json:"key_epoch"`     // that the new root gets
	X25519Public []byte `json:"x25519_public"` // 32 bytes, of a key for this exchange only
	Signature    []byte `json:"signature"`
}

// KeyAnswer is the node's half, signed by its device key over both halves
// (proof.SignAnswer).
type KeyAnswer struct {
	X25519Public []byte `json:"x25519_public"`
	Signature    []byte `json:"signature"`
}

func (k *KeyOffer) check() error {
	if k.KeyEpoch == 0 {
		return errors.New("key epochs start at 1")
	}
	return cmp.Or(exactly("key.x25519_public", k.X25519Public, publicKeyBytes), exactly("key.signature", k.Signature, signatureBytes))
}

func (k *KeyAnswer) check() error {
	return cmp.Or(exactly("key.x25519_public", k.X25519Public, publicKeyBytes), exactly("key.signature", k.Signature, signatureBytes))
}
