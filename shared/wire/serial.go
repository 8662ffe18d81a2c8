package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// TrimSerial cuts off what stands around a serial number in files: white space, the NUL
// that ends the strings of a device tree, a byte order mark.
func TrimSerial(serial string) string { return strings.Trim(serial, " \t\r\n\x00\ufeff") }

// HashSerial gives the hex SHA-256 of a board's serial number, which is the
// owner's and stays hidden; "" for what names no board. What vendors write in
// place of a serial number is the same on many.
func HashSerial(serial string) string {
	serial = TrimSerial(serial)
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
