package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
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

// generated is a world with something of each kind in it, and the paths of its
// document in order.
type generated struct {
	*world
	known map[string][]string
	paths []string
}

func newGenerated(t testing.TB) *generated {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	w.judge(n, "valid", "")
	g := &generated{world: w, known: map[string][]string{
		"node_id": {n.ID, n.ID, "node_none"}, "pool_id": {"pool_home", "pool_home", "pool_none"}, "initial_pool_id": {"pool_home", "pool_none"},
		"name": {"attic-pi"}, "payout_address": {payoutAddress}, "If-Match": {`"1"`, "*"}, "Last-Event-ID": {"0", "5"},
		"country": {"DE"}, "timezone": {"Europe/Berlin"}, "start": {"23:00"}, "end": {"01:30"}, "email": {"ada@fleet.example"},
		"start_time": {"2026-05-04T13:00:00Z"}, "status_until": {"2026-05-05T13:00:00Z"},
	}}
	for i := range 40 {
		g.known["name"] = append(g.known["name"], fmt.Sprintf("pi-%d", i))
	}
	for path := range w.huma.OpenAPI().Paths {
		g.paths = append(g.paths, path)
	}
	slices.Sort(g.paths)
	return g
}

// send makes the request of a seed to the operation and checks its answer.
func (w *generated) send(t *testing.T, seed uint64, path string, op *huma.Operation) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), s: w.server, known: w.known}
	g.calm = g.oneIn(2)
	target, header, body := g.request(path, op)
	if _, err := url.ParseRequestURI(target); err != nil {
		return // net/http refuses it itself
	}
	key := pick(g, []string{w.keys[access.Admin], w.keys[access.Admin], w.keys[access.Admin], w.keys[access.Operator], w.keys[access.Viewer], "", "x"})
	a := send(t, w.engine, op.Method, target, body, func(r *http.Request) {
		for name := range header {
			r.Header.Set(name, header.Get(name))
		}
		if key != "" {
			as(key)(r)
		}
		if g.oneIn(50) {
			r.Header.Set("Content-Type", pick(g, oddities()))
		}
	})
	wantDocumented(t, op, target, a)
	if t.Failed() {
		t.Logf("seed %d, headers %v, body %.2000s", seed, header, body)
	}
}

// TestGeneratedRequests sends some requests to each operation.
func TestGeneratedRequests(t *testing.T) {
	const each = 60
	w := newGenerated(t)
	seed := uint64(0)
	for _, deleting := range []bool{false, true} { // what is gone is of no more use
		for _, path := range w.paths {
			for method, op := range methods(w.huma.OpenAPI().Paths[path]) {
				for range each {
					seed++
					if deleting == (method == http.MethodDelete) {
						w.send(t, seed, path, op)
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}

// FuzzRequests sends requests for as long as it may.
func FuzzRequests(f *testing.F) {
	w := newGenerated(f)
	for seed := range uint64(len(w.paths)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		path := w.paths[seed%uint64(len(w.paths))]
		for _, op := range methods(w.huma.OpenAPI().Paths[path]) {
			w.send(t, seed, path, op)
		}
	})
}
