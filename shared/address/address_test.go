package address

import (
	"strings"
	"testing"
)

// An address of nobody's, and two that are public knowledge: WTRX and the burn address.
var known = []string{
	"TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ",
	"TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR",
	"T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
}

func TestCheckAddress(t *testing.T) {
	for _, address := range known {
		if err := Check(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, reason := range map[string]string{
		USDT:                                  "gives back nothing",
		"":                                    "0 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6":   "33 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t1": "35 characters",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj60":  "no base58 character",
		"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u":  "wrong checksum",
		"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa":  "does not begin with T",
		strings.Repeat("z", 34):               "does not begin with T",
		strings.Repeat("1", 34):               "does not begin with T",
	} {
		if err := Check(address); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v; want an error with %q", address, err, reason)
		}
	}
}
