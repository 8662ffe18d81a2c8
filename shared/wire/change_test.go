package wire

import "testing"

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
		if err := c.Check(); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
