package main

import (
	"bytes"
	"testing"
)

func TestSplitCopy(t *testing.T) {
	row := func(value byte) string { return "\x00\x02\x00\x00\x00\x01" + string(value) + "\xff\xff\xff\xff" } // two fields, one null
	all := copyHeader + row('a') + row('b') + row('c') + copyTrailer
	groups, rows, err := splitCopy([]byte(all), 2)
	if err != nil || rows != 3 || len(groups) != 2 {
		t.Fatalf("%d rows in %d groups, %v", rows, len(groups), err)
	}
	if string(groups[0]) != copyHeader+row('a')+row('b')+copyTrailer || string(groups[1]) != copyHeader+row('c')+copyTrailer {
		t.Errorf("groups %q", groups)
	}
	groups, rows, err = splitCopy([]byte(copyHeader+copyTrailer), 2)
	if err != nil || rows != 0 || len(groups) != 0 {
		t.Errorf("no rows: %d in %q, %v", rows, groups, err)
	}
	for _, end := range []int{3, len(copyHeader), len(copyHeader) + 5, len(all) - 1} {
		if _, _, err := splitCopy([]byte(all)[:end], 2); err == nil {
			t.Errorf("cut after %d bytes: no error", end)
		}
	}
	if _, _, err := splitCopy(bytes.Repeat([]byte("x"), 40), 2); err == nil {
		t.Error("text was taken for a COPY")
	}
}
