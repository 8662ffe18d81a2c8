package tron

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/mr-tron/base58"
	"golang.org/x/crypto/sha3"
)

// Address is 0x41 and the last 20 bytes of the Keccak-256 of a public key, or a
// contract's address in the same form. As text it is base58 of these and the
// first four bytes of their doubled SHA-256.
type Address [21]byte

const (
	addressPrefix = 0x41
	addressLength = 34 // characters
	checksumBytes = 4
)

// ParseAddress reads base58check text. It proves form and checksum, not an owner.
func ParseAddress(text string) (Address, error) {
	var a Address
	if len(text) != addressLength {
		return a, fmt.Errorf("address has %d characters; a TRON address has %d and begins with T", len(text), addressLength)
	}
	raw, err := base58.Decode(text)
	if err != nil {
		return a, fmt.Errorf("address %q holds what is no base58 character", text)
	}
	if len(raw) != len(a)+checksumBytes || raw[0] != addressPrefix {
		return a, fmt.Errorf("address %s is not a TRON address: it does not begin with T", text)
	}
	copy(a[:], raw)
	if [checksumBytes]byte(raw[len(a):]) != a.checksum() {
		return Address{}, fmt.Errorf("address %s has a wrong checksum: check it for typing errors", text)
	}
	return a, nil
}

// CheckAddress tells what is wrong with an address; nil when USDT can be sent to it.
func CheckAddress(text string) error {
	_, err := ParseAddress(text)
	if err == nil && text == USDT {
		err = fmt.Errorf("address %s is the contract of USDT, which gives back nothing that is sent to it", text)
	}
	return err
}

// AddressOf is the address of whoever holds the private key.
func AddressOf(key *secp256k1.PublicKey) Address {
	sum := sha3.NewLegacyKeccak256()
	sum.Write(key.SerializeUncompressed()[1:]) // without the byte that tells the form
	a := Address{addressPrefix}
	copy(a[1:], sum.Sum(nil)[12:])
	return a
}

// addressFrom reads the 21 bytes as a contract's message holds them.
func addressFrom(raw []byte) (Address, error) {
	if len(raw) != len(Address{}) || raw[0] != addressPrefix {
		return Address{}, fmt.Errorf("%x is not the 21 bytes of a TRON address", raw)
	}
	return Address(raw), nil
}

func (a Address) checksum() [checksumBytes]byte {
	first := sha256.Sum256(a[:])
	second := sha256.Sum256(first[:])
	return [checksumBytes]byte(second[:])
}

// String is the base58check form.
func (a Address) String() string {
	sum := a.checksum()
	return base58.Encode(append(a[:], sum[:]...))
}

// Hex is the form that nodes of the network take: 41 and 40 more digits.
func (a Address) Hex() string { return hex.EncodeToString(a[:]) }

// word is the address as an argument of a contract: 32 bytes, without 0x41.
func (a Address) word() (w [32]byte) {
	copy(w[12:], a[1:])
	return w
}
