package wire

import (
	"encoding/json"
	"testing"
)

func TestSignedChangeOfAnotherFormIsRefused(t *testing.T) {
	good := SignedChange{V: 1, NodeID: "node_a", Field: FieldPayoutAddress, Value: "T1", SignedMs: 1, Signature: make([]byte, 64)}
	for name, alter := range map[string]func(*SignedChange){
		"":                  func(*SignedChange) {},
		"another version":   func(c *SignedChange) { c.V = 2 },
		"no node":           func(c *SignedChange) { c.NodeID = "a" },
		"no field":          func(c *SignedChange) { c.Field = "" },
		"a NUL":             func(c *SignedChange) { c.Value = "a\x00" },
		"no time":           func(c *SignedChange) { c.SignedMs = 0 },
		"a short signature": func(c *SignedChange) { c.Signature = c.Signature[1:] },
	} {
		c := good
		alter(&c)
		body, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeSignedChange(body); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzSignedChange(f *testing.F) {
	f.Add([]byte(`{"v":1,"node_id":"node_a","field":"payout_address","value":"T","signed_ms":1,"signature":"AA=="}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := DecodeSignedChange(body); err == nil && c.Check() != nil {
			t.Errorf("decoded and wrong: %+v", c)
		}
	})
}
