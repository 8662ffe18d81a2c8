package tron

import (
	"encoding/hex"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/mr-tron/base58"
	"golang.org/x/crypto/sha3"

	"lucid.internal/shared/address"
)

// Address is 0x41 and the last 20 bytes of the Keccak-256 of a public key, or a
// contract's address in the same form. As text it is base58 of these and the
// first four bytes of their doubled SHA-256.
type Address [address.Bytes]byte

// ParseAddress reads base58check text. It proves form and checksum, not an owner.
func ParseAddress(text string) (Address, error) {
	a, err := address.Parse(text)
	return a, err
}

// CheckAddress tells what is wrong with an address; nil when USDT can be sent to it.
func CheckAddress(text string) error { return address.Check(text) }

// AddressOf is the address of whoever holds the private key.
func AddressOf(key *secp256k1.PublicKey) Address {
	sum := sha3.NewLegacyKeccak256()
	sum.Write(key.SerializeUncompressed()[1:]) // without the byte that tells the form
	a := Address{address.Prefix}
	copy(a[1:], sum.Sum(nil)[12:])
	return a
}

// addressFrom reads the 21 bytes as a contract's message holds them.
func addressFrom(raw []byte) (Address, error) {
	if len(raw) != len(Address{}) || raw[0] != address.Prefix {
		return Address{}, fmt.Errorf("%x is not the 21 bytes of a TRON address", raw)
	}
	return Address(raw), nil
}

// String is the base58check form.
func (a Address) String() string {
	sum := address.Checksum(a)
	return base58.Encode(append(a[:], sum[:]...))
}

// Hex is the form that nodes of the network take: 41 and 40 more digits.
func (a Address) Hex() string { return hex.EncodeToString(a[:]) }

// word is the address as an argument of a contract: 32 bytes, without 0x41.
func (a Address) word() (w [32]byte) {
	copy(w[12:], a[1:])
	return w
}
