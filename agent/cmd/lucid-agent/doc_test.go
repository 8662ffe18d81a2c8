package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFlagAndSettingIsDocumented holds docs/agent.md to what -h says:
// each command has a section with all of its flags and their defaults, and
// each flag of run is a setting with its own name in the file.
func TestEveryFlagAndSettingIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	flagLine := regexp.MustCompile(`(?m)^  -(\S+).*\n.*?(?:\(default "?([^"\n]*?)"?\))?$`)
	flags := 0
	for _, name := range []string{"enroll", "run", "status", "doctor", "withdraw", "sign", "unenroll"} {
		_, section, found := strings.Cut(string(text), "\n## lucid-agent "+name+"\n")
		if !found {
			t.Fatalf("no section on %s", name)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		var help bytes.Buffer
		command(t.Context(), []string{name, "-h"}, &help, &help)
		for _, m := range flagLine.FindAllStringSubmatch(help.String(), -1) {
			flags++
			want := []string{"`--" + m[1] + "`"}
			if m[2] != "" {
				want = append(want, "`"+m[2]+"`")
			}
			switch {
			case name != "run" || m[1] == "config":
			case m[1] == "server":
				want = append(want, "`servers`")
			default:
				want = append(want, "`"+strings.ReplaceAll(m[1], "-", "_")+"`")
			}
			if row := lineWith(section, want[0]); row == "" {
				t.Errorf("%s: no line on %s", name, want[0])
			} else {
				for _, w := range want {
					if !strings.Contains(row, w) {
						t.Errorf("%s: the line on %s lacks %s: %s", name, want[0], w, row)
					}
				}
			}
		}
	}
	if flags < 11 {
		t.Errorf("only %d flags were found: the test is broken", flags)
	}
	settings := regexp.MustCompile(`(?m)^\tcase "([a-z_]+)":$`)
	for section, file := range map[string]string{"": "../../config.go", "home_assistant.": "../../internal/homeassistant/settings.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := settings.FindAllStringSubmatch(string(code), -1)
		for _, m := range found {
			if lineWith(string(text), "| `"+section+m[1]+"` |") == "" {
				t.Errorf("no line on the setting %s", section+m[1])
			}
		}
		if len(found) < 6 {
			t.Errorf("only %d settings were found in %s: the test is broken", len(found), file)
		}
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}
