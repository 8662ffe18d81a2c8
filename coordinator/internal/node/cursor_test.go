package node_test

import (
	"encoding/base64"
	"testing"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

// What Go and Postgres read differently must be the caller's fault or work.
func TestOddTimesInCursors(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{
		"2026-05-04 12:00:00+00", "2026-05-04 12:00:00.123456+05:30", "2026-05-04 12:00:00,5+00", "2026-05-04 12:00:00+23",
		"2026-05-04 12:00:00.1234567891234+00", "0000-01-01 00:00:00+00", "0001-01-01 00:00:00+14", "9999-12-31 23:59:59-12", "infinity", "",
	} {
		_, _, _, err := w.List(t.Context(), node.Filter{Limit: 1, After: base64.RawURLEncoding.EncodeToString([]byte("created_at DESC 1 " + key))})
		if err != nil && !fault.Has(err, fault.Validation) {
			t.Errorf("%q: %v", key, err)
		}
	}
}
