package coordinator

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Print writes every setting with the place its value came from, as a TOML
// file that could be loaded again. Secrets stay hidden, in comments.
func (c *Config) Print(w io.Writer, origins Origins) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	section := ""
	for _, s := range settings() {
		if s.section != section {
			section = s.section
			fmt.Fprintf(tab, "\n[%s]\n", section)
		}
		value := reflect.ValueOf(c).Elem().FieldByIndex(s.index).Interface()
		fmt.Fprintf(tab, "%s\t# %s\n", assignment(&s, value), oneLine(origins.ByKey[s.key()].String()))
	}
	return tab.Flush() // the writer keeps its first error until here
}

// assignment is the setting as a line of a TOML file.
func assignment(s *setting, value any) string {
	if secret, ok := value.(Secret); ok {
		if secret == "" {
			return "# " + s.name + " is not set"
		}
		return "# " + s.name + " = " + oneLine(secret.Redacted())
	}
	return s.name + " = " + tomlLiteral(value)
}

func tomlLiteral(value any) string {
	switch v := value.(type) {
	case int:
		return strconv.Itoa(v)
	case []string:
		return tomlLiteralList(v)
	case []netip.Prefix:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = v[i].String()
		}
		return tomlLiteralList(texts)
	case time.Duration:
		return tomlString(shortDuration(v))
	}
	return tomlString(formatValue(value))
}

func tomlLiteralList(items []string) string {
	quoted := make([]string, len(items))
	for i := range items {
		quoted[i] = tomlString(items[i])
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// tomlString quotes s as a basic string of TOML, whose escapes are not Go's.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// shortDuration leaves out the zero units that Go's notation ends with.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// oneLine keeps a comment a comment, whatever a file or path is called.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
