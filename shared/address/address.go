// Package address reads TRON addresses as people write them: base58 of 21 bytes,
// the first of them 0x41, and the first four bytes of their doubled SHA-256.
//
// Agent and coordinator refuse the same ones by it, so that no device key signs
// what the coordinator will not take.
package address

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	// Bytes of an address, without its checksum.
	Bytes = 21
	// Prefix is the first of them.
	Prefix = 0x41
	// ChecksumBytes follow them in the text.
	ChecksumBytes = 4
	// USDT is the contract of USDT on TRON.
	USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"

	characters = 34
	alphabet   = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

// Parse reads base58check text. It proves form and checksum, not an owner.
func Parse(text string) (a [Bytes]byte, err error) {
	if len(text) != characters {
		return a, fmt.Errorf("address has %d characters; a TRON address has %d and begins with T", len(text), characters)
	}
	raw, ok := decode(text)
	switch {
	case !ok:
		return a, fmt.Errorf("address %q holds what is no base58 character", text)
	case raw[0] != Prefix:
		return a, fmt.Errorf("address %s is not a TRON address: it does not begin with T", text)
	case [ChecksumBytes]byte(raw[Bytes:]) != Checksum([Bytes]byte(raw[:])):
		return a, fmt.Errorf("address %s has a wrong checksum: check it for typing errors", text)
	}
	return [Bytes]byte(raw[:]), nil
}

// Check tells what is wrong with an address; nil when USDT can be sent to it.
func Check(text string) error {
	_, err := Parse(text)
	if err == nil && text == USDT {
		err = fmt.Errorf("address %s is the contract of USDT, which gives back nothing that is sent to it", text)
	}
	return err
}

// Checksum is what the text ends with.
func Checksum(a [Bytes]byte) [ChecksumBytes]byte {
	first := sha256.Sum256(a[:])
	second := sha256.Sum256(first[:])
	return [ChecksumBytes]byte(second[:])
}

// decode is the number that the characters write in base 58, big endian. It fits:
// the greatest of 34 characters is below 2^200.
func decode(text string) (raw [Bytes + ChecksumBytes]byte, ok bool) {
	for i := range len(text) {
		carry := strings.IndexByte(alphabet, text[i])
		if carry < 0 {
			return raw, false
		}
		for j := len(raw) - 1; j >= 0; j-- {
			carry += 58 * int(raw[j])
			raw[j] = byte(carry)
			carry >>= 8
		}
	}
	return raw, true
}
