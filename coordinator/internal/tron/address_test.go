package tron_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/tron"
	"pgregory.net/rapid"
)

// An address of nobody's, and two that are public knowledge: WTRX and the burn address.
var known = []string{
	"TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ",
	"TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR",
	"T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
}

func TestCheckAddress(t *testing.T) {
	for _, address := range known {
		if err := tron.CheckAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, reason := range map[string]string{
		tron.USDT:                             "gives back nothing",
		"":                                    "0 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6":   "33 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t1": "35 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj60":  "no base58 character",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u":  "wrong checksum",
		"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa":  "does not begin with T",
		strings.Repeat("z", 34):               "does not begin with T",
		strings.Repeat("1", 34):               "does not begin with T",
	} {
		if err := tron.CheckAddress(address); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want an error with %q", address, err, reason)
		}
	}
}

// One mistyped character never passes.
func TestCheckAddressFindsTypingErrors(t *testing.T) {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	rapid.Check(t, func(t *rapid.T) {
		address := []byte(rapid.SampledFrom(known).Draw(t, "address"))
		at := rapid.IntRange(0, len(address)-1).Draw(t, "at")
		wrong := alphabet[rapid.IntRange(0, len(alphabet)-1).Draw(t, "character")]
		if wrong == address[at] {
			t.Skip("not changed")
		}
		address[at] = wrong
		if tron.CheckAddress(string(address)) == nil {
			t.Fatalf("%s passes", address)
		}
	})
}
