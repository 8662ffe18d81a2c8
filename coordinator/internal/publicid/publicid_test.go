package publicid_test

import (
	"regexp"
	"testing"

	"lucid.internal/coordinator/internal/publicid"
)

func TestIDsTellTheirKindAndDiffer(t *testing.T) {
	form, drawn := regexp.MustCompile(`^node_[a-z2-7]{20}$`), map[string]bool{}
	for range 1000 {
		id := publicid.New("node")
		if !form.MatchString(id) || drawn[id] {
			t.Fatalf("drew %s, before: %t", id, drawn[id])
		}
		drawn[id] = true
	}
}
