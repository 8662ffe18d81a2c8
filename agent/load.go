package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Load takes the settings of a TOML text, which came from the file of that
// name. Its error names every key that is wrong, with file and line.
func (c *Config) Load(file, text string) error {
	values := make(map[string]toml.Primitive)
	meta, err := toml.Decode(text, &values)
	if at, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%s: %s", placeOf(file, at.Position.Line), at.Message)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if value, given := values[homeAssistant]; given {
		if section := tableIn(&meta, value); section != nil { // else it stays, and is no setting
			c.place(homeAssistant, placeOf(file, lineOf(&meta, value)))
			delete(values, homeAssistant)
			for key, value := range section {
				values[homeAssistant+"."+key] = value
			}
		}
	}
	var wrong []error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		place := placeOf(file, lineOf(&meta, values[key]))
		if err := c.take(&meta, key, values[key]); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", place, err))
		}
		c.place(key, place)
	}
	return errors.Join(wrong...)
}

// take gives a setting by its value in a file.
func (c *Config) take(meta *toml.MetaData, key string, primitive toml.Primitive) error {
	var value any
	if err := meta.PrimitiveDecode(primitive, &value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	text, err := settingText(value)
	if setErr := c.Set(key, text); err == nil || errors.Is(setErr, errNoSetting) {
		return setErr
	}
	return fmt.Errorf("%s: %w", key, err)
}

// settingText is a TOML value as a flag would give it.
func settingText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []any:
		items := make([]string, len(v))
		for i := range v {
			item, ok := v[i].(string)
			if !ok {
				return "", fmt.Errorf("item %d is %v, want a text in quotes", i+1, v[i])
			}
			items[i] = item
		}
		return strings.Join(items, ","), nil
	}
	return "", fmt.Errorf("%v is not a text in quotes", value)
}

// places are where settings were given last, by their key: "agent.toml:3", or
// "" by a flag. The section's own name is among them.
type places map[string]string

// place notes where a setting was given.
func (c *Config) place(key, at string) {
	if c.places == nil {
		c.places = make(places)
	}
	c.places[key] = at
}

// fault is what is wrong with a setting, with its place in a file. The fault of
// one that was not given at all lies with the other that made it one.
func (c *Config) fault(key, other, format string, args ...any) error {
	at, given := c.places[key]
	if !given {
		at = c.places[other]
	}
	if at != "" {
		at += ": "
	}
	return fmt.Errorf("%s%s: %s", at, key, fmt.Sprintf(format, args...))
}

func placeOf(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// lineOf is where a value stands, 0 when nobody knows. The decoder tells a line
// only with an error, and none of a table that is made by dotted keys alone
// (a.b = 1), which is where the first of them is.
func lineOf(meta *toml.MetaData, value toml.Primitive) (line int) {
	if at, ok := errors.AsType[toml.ParseError](meta.PrimitiveDecode(value, refusing{})); ok && at.Position.Line > 0 {
		return at.Position.Line
	}
	for _, value := range tableIn(meta, value) {
		if first := lineOf(meta, value); line == 0 || first > 0 && first < line {
			line = first
		}
	}
	return line
}

// tableIn is what a table holds; nil for any other value.
func tableIn(meta *toml.MetaData, value toml.Primitive) (table map[string]toml.Primitive) {
	var decoded any
	if meta.PrimitiveDecode(value, &decoded) != nil {
		return nil
	}
	if _, ok := decoded.(map[string]any); !ok || meta.PrimitiveDecode(value, &table) != nil {
		return nil
	}
	return table
}

// refusing takes no value.
type refusing struct{}

var errRefusing = errors.New("refused, to learn the line")

// UnmarshalTOML implements toml.Unmarshaler.
func (refusing) UnmarshalTOML(any) error { return errRefusing }
