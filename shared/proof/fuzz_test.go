package proof

import (
	"bytes"
	"testing"
)

// A stranger's bytes never make the parser panic, and what it accepts is
// written exactly as it was read. The MAC is added here, since no fuzzer finds
// one: the form behind it is what is tried.
func FuzzDecodeChallenge(f *testing.F) {
	for _, k := range []int{0, 1, 8} {
		b := fixedChallenge(1, k).Encode(challengeKey)
		f.Add(b[:len(b)-36])
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		mac := challengeKey.mac(b)
		for _, candidate := range [][]byte{b, appendField(bytes.Clone(b), mac[:])} {
			c, err := DecodeChallenge(candidate, challengeKey)
			if err != nil {
				continue
			}
			if again := c.Encode(challengeKey); !bytes.Equal(again, candidate) {
				t.Errorf("read %x, wrote %x", candidate, again)
			}
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	device := fixedDevice("device")
	for _, k := range []int{0, 1, 8} {
		f.Add(fixedResponse(f, fixedChallenge(1, k)).Encode(responseKey, device))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseResponse(b)
		if err != nil {
			return
		}
		if again := r.Encode(responseKey, device); len(again) != len(b) || !bytes.Equal(again[:len(r.signed)], r.signed) {
			t.Errorf("read %x, wrote %x", b, again)
		}
		if signed := bytes.Equal(r.signed, b[:len(r.signed)]) && bytes.Equal(r.maced, b[:len(b)-36]); !signed {
			t.Error("the MAC does not cover all bytes before it")
		}
	})
}
