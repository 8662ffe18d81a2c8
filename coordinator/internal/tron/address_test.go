package tron_test

import (
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

// What is read by hand is what a library writes.
func TestAddressIsWrittenAsItWasRead(t *testing.T) {
	for _, text := range append(known, tron.USDT) {
		if a, err := tron.ParseAddress(text); err != nil || a.String() != text {
			t.Errorf("%s is %s: %v", text, a, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := tron.Address{0x41}
		copy(a[1:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "bytes"))
		if read, err := tron.ParseAddress(a.String()); err != nil || read != a {
			t.Fatalf("%x is read as %x: %v", a[:], read[:], err)
		}
	})
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
