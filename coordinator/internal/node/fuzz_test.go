package node_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// FuzzEnrolmentToken holds that no text but the token that was made brings a
// device in while that waits, and that none is our fault.
func FuzzEnrolmentToken(f *testing.F) {
	w := newWorld(f)
	_, enrolment := w.create(f, node.New{Name: "attic-pi"})
	good, board := enrolment.Token, newDevice(f)
	f.Add(strings.ToLower(good))
	f.Add(strings.TrimPrefix(good, "enroll_"))
	f.Add(good + "\x00")
	f.Add("enroll_" + strings.Repeat("A", 52))
	f.Add("' OR token_hash <> '")
	f.Add(strings.Repeat("\xff", 5000))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if token == good {
			t.Skip("it is good once, and others would be refused thereafter in any case")
		}
		_, err := w.Enroll(t.Context(), board.request(t, token, wire.Inventory{}))
		if !fault.Has(err, fault.BadEnrolmentToken) && !fault.Has(err, fault.Validation) {
			t.Errorf("%q gives %v", token, err)
		}
	})
}
