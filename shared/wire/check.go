package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
)

// decode parses a JSON message of at most MaxMessageBytes. The error is one
// short line: it is kept with a dead-lettered message, and what encoding/json
// reports may quote as much of the message as a stranger likes.
func decode(kind string, payload []byte, into any) error {
	if err := checkSize(payload); err != nil {
		return err
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return fmt.Errorf("not %s: %.200s", kind, err.Error())
	}
	return nil
}

func checkSize(payload []byte) error {
	if len(payload) <= MaxMessageBytes {
		return nil
	}
	return fmt.Errorf("message has %d bytes, limit is %d", len(payload), MaxMessageBytes)
}

func version(v int) error {
	if v == ProtocolVersion {
		return nil
	}
	return fmt.Errorf("protocol version %d, want %d", v, ProtocolVersion)
}

func inRange(name string, v *float64, low, high float64) error {
	if v == nil || (*v >= low && *v <= high) {
		return nil
	}
	return fmt.Errorf("%s %v is not in %v..%v", name, *v, low, high)
}

// upTo bounds a size or counter. The database keeps them as signed integers,
// so that the greatest bound is math.MaxInt64.
func upTo(name string, v, most uint64) error {
	if v <= min(most, math.MaxInt64) {
		return nil
	}
	return fmt.Errorf("%s %d is above %d", name, v, min(most, math.MaxInt64))
}

// upToKnown is upTo for a number that may be missing.
func upToKnown(name string, v *uint64, most uint64) error {
	if v == nil {
		return nil
	}
	return upTo(name, *v, most)
}

func atMost(name string, n, most int) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("%s has %d items, limit is %d", name, n, most)
}

// Lengths fixed by X25519 and Ed25519.
const (
	publicKeyBytes = 32
	signatureBytes = 64
)

func exactly(name string, b []byte, want int) error {
	if len(b) == want {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, want %d", name, len(b), want)
}

// text bounds a string and refuses what Postgres (U+0000), logs and terminals
// (the other control characters) must not be given.
func text(name, s string) error {
	if len(s) > MaxTextBytes {
		return fmt.Errorf("%s has %d bytes, limit is %d", name, len(s), MaxTextBytes)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", name)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s holds the control character %U", name, r)
		}
	}
	return nil
}

// required is text that is not empty.
func required(name, s string) error {
	if s == "" {
		return fmt.Errorf("%s is missing", name)
	}
	return text(name, s)
}
