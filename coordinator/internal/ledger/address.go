package ledger

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/big"
	"strings"
)

// A TRON address is base58 of 0x41, the last 20 bytes of the Keccak-256 of the
// public key, and the first four bytes of a doubled SHA-256 over both.
const (
	addressLength  = 34
	addressPayload = 21
	addressPrefix  = 0x41
	base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
)

// CheckAddress tells what is wrong with a payout address; nil when USDT can be
// sent to it on TRON. It proves the form and the checksum, not an owner.
func CheckAddress(address string) error {
	if len(address) != addressLength {
		return fmt.Errorf("payout address has %d characters; a TRON address has %d and begins with T", len(address), addressLength)
	}
	number := new(big.Int) // 58^34 < 2^200: it always fits the 25 bytes
	for i := range len(address) {
		digit := strings.IndexByte(base58Alphabet, address[i])
		if digit < 0 {
			return fmt.Errorf("payout address holds %q, which is no base58 character", address[i])
		}
		number.Mul(number, big.NewInt(int64(len(base58Alphabet)))).Add(number, big.NewInt(int64(digit)))
	}
	raw := number.FillBytes(make([]byte, addressPayload+4))
	payload, checksum := raw[:addressPayload], raw[addressPayload:]
	if payload[0] != addressPrefix {
		return fmt.Errorf("payout address %s is not a TRON address: it does not begin with T", address)
	}
	first := sha256.Sum256(payload)
	second := sha256.Sum256(first[:])
	if !bytes.Equal(checksum, second[:4]) {
		return fmt.Errorf("payout address %s has a wrong checksum: check it for typing errors", address)
	}
	return nil
}
