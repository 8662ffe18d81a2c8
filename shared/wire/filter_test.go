package wire

import (
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		granted, filter string
		want            bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/c", false}, {"a/b", "a", false}, {"a", "a/b", false},
		{"a/+", "a/b", true}, {"a/+", "a/+", true}, {"a/+", "a", false}, {"a/+", "a/b/c", false}, {"a/+", "a/#", false}, {"a/+", "a/", true},
		{"a/#", "a", true}, {"a/#", "a/b", true}, {"a/#", "a/b/c", true}, {"a/#", "a/+/c", true}, {"a/#", "a/#", true}, {"a/#", "#", false},
		{"a/#", "+/b", false}, {"a/#", "ab", false}, {"a/b", "a/+", false}, {"a/b", "+/b", false}, {"+/b", "a/b", true}, {"+/b", "+/b", true},
		{"#", "a/+/#", true}, {"#", "+", true}, {"+", "#", false}, {"+", "a/b", false}, {"+/+", "a/#", false}, {"a/+/#", "a/#", false},
		{"a/+/#", "a/b", true}, {"a/+/#", "a/+", true}, {"a/+/#", "a", false},
		{"#", "$SYS/a", false}, {"+/a", "$SYS/a", false}, {"$SYS/#", "$SYS/a", true}, {"#", "$share/g/a", false},
		{"lucid/v1/nodes/+/status", "lucid/v1/nodes/node_a/status", true}, {"lucid/v1/nodes/+/status", "lucid/v1/nodes/node_a/+", false},
		{"lucid/v1/nodes/node_a/status", "lucid/v1/nodes/node_ab/status", false}, {"lucid/v1/events/+", "lucid/v1/events/#", false},
	} {
		if got := Covers(c.granted, c.filter); got != c.want {
			t.Errorf("%q covers %q: %t", c.granted, c.filter, got)
		}
	}
}

func TestCheckFilter(t *testing.T) {
	for filter, good := range map[string]bool{
		"a": true, "a/+/c": true, "#": true, "+": true, "a/#": true, "/": true, "a//b": true,
		"": false, "a#": false, "a/#/b": false, "a+/b": false, "+a": false, "a\x00b": false, "a/\n": false, "\ufffd": false,
		strings.Repeat("a", MaxFilterBytes+1): false,
	} {
		if err := CheckFilter(filter); (err == nil) != good {
			t.Errorf("%.20q: %v", filter, err)
		}
	}
}

func TestCoversAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Covers("lucid/v1/nodes/+/status", "lucid/v1/nodes/node_a/status") }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

// matches is the standard's own rule, for one topic.
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	have, want := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range have {
		switch {
		case level == "#":
			return true
		case i >= len(want):
			return false
		case level != "+" && level != want[i]:
			return false
		}
		if i == len(want)-1 && i == len(have)-2 && have[i+1] == "#" {
			return true
		}
	}
	return len(have) == len(want)
}

// witnesses are topics that match a filter; one of them shows what another
// filter lacks, as long as that one knows none of the odd levels.
func witnesses(filter string) []string {
	topic := strings.ReplaceAll(filter, "+", "odd-1")
	rest, open := strings.CutSuffix(topic, "#")
	if !open {
		return []string{topic}
	}
	if rest == "" {
		return []string{"odd-2", "odd-2/odd-3/odd-4/odd-5/odd-6"}
	}
	deep := rest + strings.Repeat("odd-3/", strings.Count(filter, "/")+20) + "odd-4"
	return []string{strings.TrimSuffix(rest, "/"), rest + "odd-2", deep}
}

// FuzzCovers: what Covers says is what the standard's rule says of the topics.
func FuzzCovers(f *testing.F) {
	for _, s := range [][2]string{{"a/+", "a/b"}, {"a/#", "a"}, {"#", "a/+/#"}, {"a/+/#", "a/#"}, {"+", "$x"}, {"a//+", "a//#"}, {"$a/+", "$a/b"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, granted, filter string) {
		if CheckFilter(granted) != nil || CheckFilter(filter) != nil || strings.Contains(granted+filter, "odd") || strings.Count(granted, "/") > 15 {
			return
		}
		all := true
		for _, topic := range witnesses(filter) {
			if !matches(filter, topic) {
				t.Fatalf("%q is no witness of %q", topic, filter)
			}
			all = all && matches(granted, topic)
		}
		if got := Covers(granted, filter); got != all {
			t.Errorf("%q covers %q: %t, but its topics say %t", granted, filter, got, all)
		}
	})
}
