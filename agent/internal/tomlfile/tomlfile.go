// Package tomlfile owns where things stand in a TOML file that a person wrote:
// each value with its line, so that who finds fault with one names file, line
// and key.
//
// It must never judge a value: what is right is its reader's to say.
package tomlfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
)

// Entry is a key and what stands there.
type Entry struct {
	Key   string
	Place string  // "agent.toml:3"; the file alone where nobody knows the line, "" where there is no file
	Value any     // as TOML has it: a string, int64, []any, map[string]any, ...
	Inner []Entry // what a table holds; nil for any other value
	line  int     // 0: nobody knows
}

// Parse gives what stands in a TOML text, in the order of the lines. The text came
// from the file of that name, which its error names with the line.
func Parse(file, text string) ([]Entry, error) {
	table := make(map[string]toml.Primitive)
	meta, err := toml.Decode(text, &table)
	if at, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, fmt.Errorf("%s: %s", placeOf(file, at.Position.Line), at.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return (&reader{file, &meta}).entries(table)
}

// Text is a value that has to be a text.
func (e Entry) Text() (string, error) {
	text, ok := e.Value.(string)
	if !ok {
		return "", fmt.Errorf("%v is not a text in quotes", e.Value)
	}
	return text, nil
}

// Fault is what is wrong with an entry, with its place and key.
func (e Entry) Fault(err error) error {
	if e.Place == "" {
		return fmt.Errorf("%s: %w", e.Key, err)
	}
	return fmt.Errorf("%s: %s: %w", e.Place, e.Key, err)
}

func placeOf(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// reader looks into the tables of one file.
type reader struct {
	file string
	meta *toml.MetaData
}

func (r *reader) entries(table map[string]toml.Primitive) ([]Entry, error) {
	entries := make([]Entry, 0, len(table))
	for _, key := range slices.Sorted(maps.Keys(table)) {
		e, err := r.entry(key, table[key])
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.line, b.line) })
	return entries, nil
}

func (r *reader) entry(key string, value toml.Primitive) (e Entry, err error) {
	e.Key, e.line = key, r.line(value)
	if err = r.meta.PrimitiveDecode(value, &e.Value); err == nil {
		e.Inner, err = r.inner(e.Value, value)
	}
	if e.line == 0 {
		e.line = firstLine(e.Inner)
	}
	e.Place = placeOf(r.file, e.line)
	if err != nil {
		err = e.Fault(err)
	}
	return e, err
}

// inner is what a table holds.
func (r *reader) inner(decoded any, value toml.Primitive) ([]Entry, error) {
	if _, isTable := decoded.(map[string]any); !isTable {
		return nil, nil
	}
	var table map[string]toml.Primitive
	if err := r.meta.PrimitiveDecode(value, &table); err != nil {
		return nil, err
	}
	return r.entries(table)
}

// line is where a value stands, 0 when nobody knows: the decoder tells it with an
// error only, and not of a table that is made by dotted keys alone (a.b = 1).
func (r *reader) line(value toml.Primitive) int {
	at, _ := errors.AsType[toml.ParseError](r.meta.PrimitiveDecode(value, refusing{}))
	return at.Position.Line
}

// firstLine is where a table without a line of its own begins.
func firstLine(inner []Entry) (line int) {
	for _, e := range inner {
		if line == 0 || e.line > 0 && e.line < line {
			line = e.line
		}
	}
	return line
}

// refusing takes no value.
type refusing struct{}

var errRefusing = errors.New("refused, to learn the line")

// UnmarshalTOML implements toml.Unmarshaler.
func (refusing) UnmarshalTOML(any) error { return errRefusing }
