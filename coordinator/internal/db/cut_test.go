package db_test

import (
	"slices"
	"testing"

	"lucid.internal/coordinator/internal/db"
)

func TestTheRowBeyondAPageTellsOfTheNext(t *testing.T) {
	for name, c := range map[string]struct {
		read []int
		more bool
	}{
		"none":          {nil, false},
		"a page":        {[]int{1, 2}, false},
		"one row more":  {[]int{1, 2, 3}, true},
		"less than one": {[]int{1}, false},
	} {
		page, more := db.Cut(c.read, 2)
		if want := c.read[:min(2, len(c.read))]; more != c.more || !slices.Equal(page, want) {
			t.Errorf("%s: %v, %v; want %v, %v", name, page, more, want, c.more)
		}
	}
}
