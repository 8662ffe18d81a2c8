package main

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	for name, c := range map[string]struct{ in, want, rest string }{
		"a line":            {"correct horse\nrest", "correct horse", "rest"},
		"without an end":    {"correct horse", "correct horse", ""},
		"of another system": {"correct horse\r\n", "correct horse", ""},
		"empty":             {"\n", "", ""},
		"with spaces":       {"  a b  \n", "  a b  ", ""},
	} {
		from := strings.NewReader(c.in)
		got, err := readLine(from)
		rest, _ := io.ReadAll(from)
		if err != nil || got != c.want || string(rest) != c.rest {
			t.Errorf("%s: %q, %v, left %q", name, got, err, rest)
		}
	}
	if _, err := readLine(strings.NewReader("")); err == nil {
		t.Error("nothing at all is taken for a password")
	}
	if _, err := readLine(iotest.ErrReader(io.ErrClosedPipe)); err == nil {
		t.Error("a broken input is taken for a password")
	}
	if _, err := readLine(strings.NewReader(strings.Repeat("a", 5000))); err == nil {
		t.Error("a line without end is taken")
	}
}
