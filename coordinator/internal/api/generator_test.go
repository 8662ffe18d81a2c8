package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// generator makes requests out of the document: mostly near to what an
// operation takes, so that they come far, with something odd here and there.
type generator struct {
	*rand.Rand
	s     *server
	known map[string][]string // values of parameters and fields, by name
	calm  bool                // hardly anything odd: such requests come furthest
}

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

// odd is a JSON value that nobody asked for.
func (g *generator) odd() any {
	return pick(g, []any{
		nil, true, -1, 0, json.Number("1e308"), json.Number("9223372036854775808"), json.Number("-0.0000001"), json.Number("1e400"),
		[]any{}, map[string]any{}, pick(g, oddities()), strings.Repeat("\u202e", 3000), strings.Repeat("a", 70_000),
		json.RawMessage(strings.Repeat("[", 200) + strings.Repeat("]", 200)), json.RawMessage(`{"a":1,"a":2}`), []any{nil, nil},
		json.RawMessage(`"\u0000"`), json.RawMessage(`"\ud800"`),
	})
}

// value is one for a schema, named as in its parent.
func (g *generator) value(name string, schema *huma.Schema, depth int) any {
	if oddness := map[bool]int{true: 80, false: 8}[g.calm]; g.oneIn(oddness) || depth > 6 {
		return g.odd()
	}
	schema = g.s.resolve(schema)
	switch {
	case len(g.known[name]) > 0 && (g.calm || !g.oneIn(4)):
		return pick(g, g.known[name])
	case len(schema.Enum) > 0:
		return pick(g, schema.Enum)
	case schema.Items != nil:
		items := make([]any, pick(g, []int{0, 1, 2, 3, 3, 2000}))
		for i := range items {
			items[i] = g.value(name, schema.Items, depth+1)
		}
		return items
	case len(schema.Examples) > 0 && !g.oneIn(3):
		return schema.Examples[0]
	}
	switch schema.Type {
	case huma.TypeObject:
		return g.object(schema, depth)
	case huma.TypeBoolean:
		return g.oneIn(2)
	case huma.TypeInteger, huma.TypeNumber:
		return g.number(schema)
	}
	if plain := []string{"abc", "Munich", "2026-05-04T13:00:00Z", "10", "12.5"}; g.calm {
		return pick(g, plain)
	}
	return pick(g, oddities())
}

func (g *generator) object(schema *huma.Schema, depth int) map[string]any {
	o := map[string]any{}
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names) // else a seed would not name one request
	for _, name := range names {
		often := map[bool]int{true: 1, false: 2}[g.calm] // out of three
		if slices.Contains(schema.Required, name) && (g.calm || !g.oneIn(8)) || g.IntN(3) < often {
			o[name] = g.value(name, schema.Properties[name], depth+1)
		}
	}
	if !g.calm && g.oneIn(10) {
		o[pick(g, oddities())] = g.odd()
	}
	return o
}

func (g *generator) number(schema *huma.Schema) any {
	low, high := 0.0, 100.0
	if schema.Minimum != nil {
		low = *schema.Minimum
	}
	if schema.Maximum != nil {
		high = *schema.Maximum
	}
	if g.calm {
		return pick(g, []any{low, high, int64(low+high) / 2})
	}
	return pick(g, []any{low, high, low - 1, high + 1, int64(low+high) / 2, low + 0.5, json.Number("7")})
}

// body is JSON for the operation, sometimes damaged; "" when it takes none.
func (g *generator) body(op *huma.Operation) string {
	if op.RequestBody == nil {
		return pick(g, []string{"", "", "{}", "x"})
	}
	if !op.RequestBody.Required && g.oneIn(3) {
		return ""
	}
	text, err := json.Marshal(g.value("", op.RequestBody.Content["application/json"].Schema, 0))
	if err != nil { // a number that is none: JSON has no word for it
		return fmt.Sprintf(`{"name": %v}`, err)
	}
	switch damage := g.IntN(20); {
	case g.calm:
	case damage == 0:
		return string(text[:g.IntN(len(text)+1)])
	case damage == 1:
		text[g.IntN(len(text))] ^= byte(1 + g.IntN(255))
	}
	return string(text)
}

// text is a parameter's value as it stands in a path, a query or a header.
func (g *generator) text(p *huma.Param) string {
	switch v := g.value(p.Name, p.Schema, 4).(type) {
	case string:
		return v
	case []any:
		return strings.Trim(fmt.Sprint(v), "[]")
	default:
		return fmt.Sprint(v)
	}
}

// request is the target, the headers and the body of a request.
func (g *generator) request(path string, op *huma.Operation) (target string, header http.Header, body string) {
	header, query := http.Header{}, url.Values{}
	for _, p := range op.Parameters {
		switch text := g.text(p); {
		case p.In == "path":
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(text), 1)
		case g.oneIn(2):
		case p.In == "query":
			query.Add(p.Name, text)
		case p.In == "header" && len(text) < 8<<10 && !strings.ContainsAny(text, "\r\n\x00"):
			header.Set(p.Name, text)
		}
	}
	if g.oneIn(20) {
		query.Add(pick(g, oddities()), pick(g, oddities()))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, header, g.body(op)
}
