package coordinator

import (
	"fmt"
	"reflect"
	"strings"
)

//go:generate go test -run TestReferenceIsCurrent -update .

// referenceMarkdown is docs/configuration.md.
func referenceMarkdown() string {
	var b strings.Builder
	b.WriteString(`# Settings

Made from the struct Config of the coordinator by ` + "`go generate ./coordinator`" + `; do not edit.

Later wins over earlier: defaults, then the file named by --config (TOML), then the environment, then flags.
` + "`lucid-coordinator config print`" + ` shows each value and where it came from, secrets hidden. Everything that is wrong is
reported at once, and the program ends with status 2.

Durations are written as Go does (90s, 5m, 1h30m); a bare integer means seconds. Amounts are USDT with at most six
decimals; in the file, write decimals in quotes. Lists are comma-separated in the environment and arrays in the file.
A secret may also lie in a file of its own, named by its variable with ` + fileSuffix + ` at the end.

`)
	b.WriteString("`serve` and `dev` have different defaults where two are given.\n")
	titles, section := sectionTitles(), "-"
	for _, s := range settings() {
		if s.section != section {
			section = s.section
			fmt.Fprintf(&b, "\n## %s\n\n", titles[section])
			if section != "" {
				fmt.Fprintf(&b, "Table `[%s]` of the file.\n\n", section)
			}
			b.WriteString("| setting | environment | default | meaning |\n|---|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, environmentCell(&s), defaultCell(&s), s.help)
	}
	return b.String()
}

func environmentCell(s *setting) string {
	if s.secret() {
		return fmt.Sprintf("`%s`, `%s`", s.env, s.env+fileSuffix)
	}
	return "`" + s.env + "`"
}

func defaultCell(s *setting) string {
	code := func(v string) string {
		if v == "" {
			return "none"
		}
		return "`" + v + "`"
	}
	if s.serve == s.dev {
		return code(s.serve)
	}
	return fmt.Sprintf("%s; dev %s", code(s.serve), code(s.dev))
}

// referenceEnv is .env.example: every variable with its default under serve,
// commented out.
func referenceEnv() string {
	var b strings.Builder
	b.WriteString("# Settings of lucid-coordinator, with the defaults of serve. Made from the struct Config of the\n" +
		"# coordinator by `go generate ./coordinator`; do not edit. See docs/configuration.md.\n")
	titles, section := sectionTitles(), "-"
	for _, s := range settings() {
		if s.section != section {
			section = s.section
			fmt.Fprintf(&b, "\n# --- %s ---\n", titles[section])
		}
		fmt.Fprintf(&b, "# %s\n", s.help)
		if s.secret() {
			fmt.Fprintf(&b, "#%s=\n", s.env+fileSuffix)
		}
		fmt.Fprintf(&b, "#%s=%s\n", s.env, s.serve)
	}
	return b.String()
}

// sectionTitles gives the help line of each section's table.
func sectionTitles() map[string]string {
	titles := map[string]string{"": "General"}
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if tag := t.Field(i).Tag; tag.Get("env") == "" {
			titles[tag.Get("toml")] = tag.Get("help")
		}
	}
	return titles
}
