package tomlfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// flat writes entries as place, key and what is in them.
func flat(entries []Entry) (lines []string) {
	for _, e := range entries {
		lines = append(lines, fmt.Sprintf("%s %s %v", e.Place, e.Key, e.Value))
		for _, inner := range flat(e.Inner) {
			lines = append(lines, e.Key+": "+inner)
		}
	}
	return lines
}

func TestEveryValueHasItsLine(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":        {"# none\n", nil},
		"in their order": {"b = \"x\"\r\n\r\na = 1\r\n", []string{"f:1 b x", "f:3 a 1"}},
		"several lines":  {"a = [\n1,\n2]\nb = true\n", []string{"f:1 a [1 2]", "f:4 b true"}},
		"a section":      {"\n[s]\n\"in quotes\" = 1\n", []string{"f:2 s map[in quotes:1]", "s: f:3 in quotes 1"}},
		"an empty one":   {"[s]\n", []string{"f:1 s map[]"}},
		"dotted keys":    {"\na.c = 2\na.b.d = 1\n", []string{"f:2 a map[b:map[d:1] c:2]", "a: f:2 c 2", "a: f:3 b map[d:1]", "a: b: f:3 d 1"}},
		"a list of them": {"[[l]]\nx = 1\n", []string{"f:1 l [map[x:1]]"}},
	} {
		entries, err := Parse("f", c.text)
		if got := flat(entries); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

// What holds entries is told from what holds none.
func TestOnlyATableHasInner(t *testing.T) {
	entries, err := Parse("f", "a = 1\n[s]\n")
	if err != nil || entries[0].Inner != nil || entries[1].Inner == nil {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestNoTOML(t *testing.T) {
	for text, want := range map[string]string{"a = 1\nb = \n": "f:2: ", "a = 1\na = 2\n": "f:2: ", "\xff": "f:1: "} {
		if _, err := Parse("f", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v; want it at %s", text, err, want)
		}
	}
}
