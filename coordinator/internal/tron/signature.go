package tron

import (
	"encoding/hex"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Signature is r, s and v (0 or 1, which of two public keys it recovers to)
// over a transaction's id.
type Signature [65]byte

func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// compactBase is what the compact form of signatures adds to v.
const compactBase = 27

// Sign signs a transaction's id; the same key and id give the same signature.
func Sign(key *secp256k1.PrivateKey, id ID) (s Signature) {
	compact := ecdsa.SignCompact(key, id[:], false) // v, r, s
	copy(s[:], compact[1:])
	s[64] = compact[0] - compactBase
	return s
}

// Recover is the address whose key signed the id.
func (s Signature) Recover(id ID) (Address, error) {
	v := s[64]
	if v >= compactBase { // also written so
		v -= compactBase
	}
	if v > 3 {
		return Address{}, fmt.Errorf("signature ends with %d, not with 0 or 1", s[64])
	}
	key, _, err := ecdsa.RecoverCompact(append([]byte{compactBase + v}, s[:64]...), id[:])
	if err != nil {
		return Address{}, fmt.Errorf("signature: %w", err)
	}
	return AddressOf(key), nil
}
