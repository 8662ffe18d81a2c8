package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// fuzzDecoder holds a decoder to what all of them promise: a refusal is one
// short line, and what is accepted can be written and read again without a
// change.
func fuzzDecoder[T any](t *testing.T, payload []byte, decode func([]byte) (*T, error)) {
	t.Helper()
	v, err := decode(payload)
	if err != nil {
		if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\r\x00") {
			t.Errorf("error is not one short line: %q", err)
		}
		return
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if len(again) > MaxMessageBytes {
		return // fields that the sender left out are written in full
	}
	if back, err := decode(again); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("read %s, wrote %s: %v", payload, again, err)
	}
}

// seed adds a good message, and one that is not.
func seed(f *testing.F, good any) {
	f.Helper()
	b, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"\ud800":"\u0000","connection":1e99}`))
}

func FuzzDecodeStatus(f *testing.F) {
	seed(f, goodStatus())
	f.Fuzz(func(t *testing.T, payload []byte) { fuzzDecoder(t, payload, DecodeStatus) })
}

func FuzzDecodeInfo(f *testing.F) {
	seed(f, Info{V: 1, Inventory: goodInventory()})
	seed(f, goodInventory())
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzzDecoder(t, payload, DecodeInfo)
		fuzzDecoder(t, payload, DecodeInventory)
	})
}

func FuzzDecodeEnrollRequest(f *testing.F) {
	seed(f, goodRequest(f))
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzzDecoder(t, payload, func(b []byte) (*EnrollRequest, error) {
			r, err := DecodeEnrollRequest(b)
			if err != nil {
				return nil, err
			}
			i, err := DecodeInventory(r.Inventory) // raw bytes, which json.Marshal would write in another way
			if err != nil {
				t.Errorf("an inventory that cannot be read was accepted: %v", err)
				return nil, err
			}
			r.Inventory, err = json.Marshal(i)
			return r, err
		})
	})
}

func FuzzDecodeProof(f *testing.F) {
	id := strings.Repeat("0a", 16)
	seed(f, Challenge{V: 1, ChallengeID: id, IssuedMs: 1, DeadlineMs: 2, Difficulty: 3, Count: 4, Bytes: []byte{0, 0xff}})
	seed(f, Response{V: 1, ChallengeID: id, Bytes: []byte{0, 0xff}})
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzzDecoder(t, payload, DecodeChallenge)
		fuzzDecoder(t, payload, DecodeResponse)
	})
}
