package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lucid.internal/coordinator/client"
)

func TestAuditTableFitsAWideTerminal(t *testing.T) {
	long := strings.Repeat("ü", 200)
	entry := client.Audit{EntryNo: 1_234_567, At: time.Now(), Actor: long, Action: "node.start", Target: "node_m66vucrrrsrlusxuschq"}
	other := client.Audit{EntryNo: 1_234_568, At: time.Now(), Actor: "user_54960bfb72b097aa", Action: long, Target: long}
	for format, fits := range map[string]bool{"table": true, "wide": false} {
		var out bytes.Buffer
		p := &printer{format: format, terminal: terminal{out: &out, notes: &out}}
		if err := list(p, []client.Audit{entry, other}, auditColumns()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); (n <= 120) != fits {
				t.Errorf("%s: a line of %d characters: %s", format, n, line)
			}
		}
		if !strings.Contains(out.String(), entry.Target) || !strings.Contains(out.String(), other.Actor) {
			t.Errorf("%s: an id is cut off:\n%s", format, &out)
		}
	}
}

func TestValues(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	early := now.Add(-3 * time.Minute)
	var nobody *string
	var never *time.Time
	people := &printer{terminal: terminal{outIsTerminal: true, now: func() time.Time { return now }}}
	piped := &printer{terminal: terminal{now: func() time.Time { return now }}}
	for _, c := range []struct {
		value               any
		people, piped, data string
	}{
		{nobody, "-", "-", ""},
		{never, "-", "-", ""},
		{time.Time{}, "-", "-", ""},
		{json.Number(""), "-", "-", ""},
		{amount(""), "-", "-", ""},
		{nil, "-", "-", ""},
		{&early, "3 min ago", "2026-03-01T11:57:00Z", "2026-03-01T11:57:00Z"},
		{now.Add(50 * time.Hour).In(time.FixedZone("", 3600)), "in 2 d", "2026-03-03T14:00:00Z", "2026-03-03T14:00:00Z"},
		{true, "yes", "yes", "true"},
		{amount("12.419999"), "12.419999", "12.419999", "12.419999"},
		{amount("0.000001"), "0.000001", "0.000001", "0.000001"},
		{amount("1.485"), "1.485000", "1.485000", "1.485000"},
		{amount("0"), "0.000000", "0.000000", "0.000000"},
		{amount("10"), "10.000000", "10.000000", "10.000000"},
		{points("98.7654321"), "98.76", "98.76", "98.7654321"},
		{points("0.004"), "<0.01", "<0.01", "0.004"},
		{4.258644918574292, "4.259", "4.259", "4.258644918574292"},
		{0.000004337094, "0.00000434", "0.00000434", "0.000004337094"},
		{-0.0999999, "-0.1", "-0.1", "-0.0999999"},
		{1073741824.0, "1073741824", "1073741824", "1073741824"},
		{size(1073741824), "1.0 GiB", "1.0 GiB", "1073741824"},
		{sizeOf[int64](nil), "-", "-", ""},
		{100.0, "100", "100", "100"},
		{0.0, "0", "0", "0"},
		{[]string{"a", "b"}, "a,b", "a,b", "a,b"},
		{[]string{}, "-", "-", ""},
		{"a\x1b[2Jb\u202e", "a?[2Jb?", "a?[2Jb?", "a\x1b[2Jb\u202e"},
		{int64(7), "7", "7", "7"},
	} {
		if got := people.text(c.value, false); got != c.people {
			t.Errorf("%v for people is %q, want %q", c.value, got, c.people)
		}
		if got := piped.text(c.value, false); got != c.piped {
			t.Errorf("%v piped is %q, want %q", c.value, got, c.piped)
		}
		if got := plain(c.value); got != c.data {
			t.Errorf("%v as data is %q, want %q", c.value, got, c.data)
		}
	}
	if got := people.text(4.258644918574292, true); got != "4.259" {
		t.Errorf("in detail %s", got)
	}
}

func TestColour(t *testing.T) {
	type row struct{ Name string }
	columns := []column[row]{{"name", false, func(r row) any { return r.Name }}, {"more", true, func(row) any { return 1 }}}
	for _, color := range []bool{false, true} {
		var out bytes.Buffer
		p := &printer{format: "table", terminal: terminal{out: &out, color: color}}
		if err := list(p, []row{{"a"}}, columns); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "\x1b") != color || strings.Contains(out.String(), "MORE") {
			t.Errorf("colour %t: %q", color, out.String())
		}
	}
}
