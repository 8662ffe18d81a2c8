package coordinator

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// maxFileBytes bounds a settings file: ours has a few kilobytes.
const maxFileBytes = 1 << 20

func (l *loader) readFile(name string) {
	content, err := os.ReadFile(name)
	if err != nil {
		l.fault("", Origin{LayerFile, name}, "%v", err)
		return
	}
	l.file(name, string(content))
}

// file takes the settings of a TOML text; name is for people.
func (l *loader) file(name, content string) {
	if len(content) > maxFileBytes {
		l.fault("", Origin{LayerFile, name}, "has %d bytes, limit is %d", len(content), maxFileBytes)
		return
	}
	var table map[string]any
	if _, err := toml.Decode(content, &table); err != nil {
		place := name
		if at, ok := errors.AsType[toml.ParseError](err); ok {
			place, err = fmt.Sprintf("%s:%d", name, at.Position.Line), errors.New(at.Message)
		}
		l.fault("", Origin{LayerFile, place}, "%v", err)
		return
	}
	lines := keyLines(content)
	origin := func(key string) Origin {
		if line, ok := lines[key]; ok {
			return Origin{LayerFile, fmt.Sprintf("%s:%d", name, line)}
		}
		return Origin{LayerFile, name}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		section, isTable := table[name].(map[string]any)
		switch {
		case !l.isSection(name):
			l.fileValue("", name, table[name], origin(name))
		case !isTable:
			l.fault(name, origin(name), "is a table of settings, not a value")
		default:
			for _, leaf := range slices.Sorted(maps.Keys(section)) {
				l.fileValue(name, leaf, section[leaf], origin(name+"."+leaf))
			}
		}
	}
}

func (l *loader) isSection(name string) bool {
	return name != "" && slices.ContainsFunc(l.settings, func(s setting) bool { return s.section == name })
}

func (l *loader) fileValue(section, name string, value any, origin Origin) {
	wanted := setting{section: section, name: name}
	key := wanted.key()
	s := l.find(key)
	if s == nil || s.section != section { // a quoted name may hold the dot of another's key
		l.fault(key, origin, "no such setting")
		return
	}
	text, err := tomlText(s, value)
	if err != nil {
		l.fault(key, origin, "%v", err)
		return
	}
	l.set(key, text, origin)
}

// tomlText gives a TOML value as the text that an environment variable would
// hold. A float is refused: no amount of money ever passes through one.
func tomlText(s *setting, value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return "", errors.New("write a number with decimals in quotes, so that it stays exact")
	case []any:
		return tomlList(s, v)
	case bool:
		if s.typ.Kind() == reflect.Bool {
			return strconv.FormatBool(v), nil
		}
		return "", fmt.Errorf("%t is no value of this setting", v)
	case time.Time:
		return "", errors.New("a date is no value of this setting")
	}
	return "", errors.New("a table is no value of this setting")
}

func tomlList(s *setting, list []any) (string, error) {
	if s.typ.Kind() != reflect.Slice {
		return "", errors.New("a list is no value of this setting")
	}
	items := make([]string, len(list))
	for i, item := range list {
		text, ok := item.(string)
		if !ok || strings.Contains(text, ",") {
			return "", fmt.Errorf("item %d of the list is not a string without commas", i+1)
		}
		items[i] = text
	}
	return strings.Join(items, ","), nil
}

// keyLines finds the line of each key, for messages: the TOML library gives
// positions of syntax errors only. It knows tables and plain keys; a key that
// is written in a rarer way is reported without its line.
func keyLines(content string) map[string]int {
	lines := map[string]int{}
	section, number := "", 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ := strings.Cut(strings.Trim(rest, "["), "]")
			section = bareKey(name)
			lines[section] = number
			section += "."
			continue
		}
		if key, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			lines[section+bareKey(key)] = number
		}
	}
	return lines
}

func bareKey(key string) string {
	parts := strings.Split(key, ".")
	for i, part := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(part), `"'`)
	}
	return strings.Join(parts, ".")
}
