package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// HashSerial gives the hex SHA-256 of a board's serial number, which is the
// owner's and stays hidden; "" for what names no board. What vendors write in
// place of a serial number is the same on many.
func HashSerial(serial string) string {
	switch strings.ToLower(serial) {
	case "", "none", "not specified", "system serial number", "to be filled by o.e.m.", "default string", "unknown":
		return ""
	}
	if strings.Trim(serial, "0") == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(serial))
	return hex.EncodeToString(sum[:])
}
