package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
)

// oddities are what no honest caller sends.
func oddities() []string {
	return []string{
		"", " ", "0", "-1", "1e9", "NaN", "true", "null", "[]", "{}", "%", "\x00", "\xff\xfe", "\u202e", "𝕊", "é", "'", "\"", "\\", "`",
		"' OR 1=1 --", "'; DROP TABLE node; --", "$1", "../../etc/passwd", "..%2f..", "node_a/../b", "node_\x00", "node_'", "pool_%25",
		"9223372036854775807", "9223372036854775808", "99999999999999999999999999", "MTIgMjAyNg",
		"Y3JlYXRlZF9hdCBERVNDIDEyIDIwMjY", "Y3JlYXRlZF9hdCBERVNDIDEyIGluZmluaXR5", "Y3JlYXRlZF9hdCBERVNDIDEyIDIwMjYtMDEtMDE", // cursors of the newest nodes
		strings.Repeat("a", 5000), strings.Repeat("%00", 50), "node_" + strings.Repeat("x", 59), "a,b,c", "<script>", "\r\nX-Evil: 1",
	}
}

// TestOddInputs sends each oddity in each parameter of each operation.
func TestOddInputs(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	w.judge(n, "valid", "")
	known := map[string]string{"node_id": n.ID, "pool_id": "pool_home"}
	all := w.huma.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(all)) { // what one writes, the next one meets: each run the same
		for _, op := range methods(all[path]) {
			for _, p := range op.Parameters {
				for _, odd := range oddities() {
					target := targetOf(path, known, p, odd)
					w.wantDocumented(t, op, target, w.send(op.Method, target, "", as(w.keys[access.Admin])))
				}
			}
			for _, odd := range oddities() {
				w.wantDocumented(t, op, path, w.send(op.Method, targetOf(path, known, nil, ""), odd, as(w.keys[access.Admin])))
			}
		}
	}
}

// targetOf fills a path in, with the odd value for one parameter.
func targetOf(path string, known map[string]string, odd *huma.Param, value string) string {
	for name, usual := range known {
		if odd != nil && odd.In == "path" && odd.Name == name {
			usual = value
		}
		path = strings.Replace(path, "{"+name+"}", url.PathEscape(usual), 1)
	}
	if odd != nil && odd.In == "query" {
		path += "?" + url.Values{odd.Name: {value}}.Encode()
	}
	return path
}

// FuzzList sends any query to the operations that read one.
func FuzzList(f *testing.F) {
	w := newWorld(f)
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	w.judge(n, "valid", "")
	paths := []string{
		"/api/v1/nodes/", "/api/v1/nodes/pools/", "/api/v1/nodes/{node_id}/payouts",
		"/api/v1/nodes/{node_id}/poot/history", "/api/v1/nodes/{node_id}/earnings", "/api/v1/nodes/{node_id}/statements",
	}
	for i, odd := range oddities() {
		f.Add(uint8(i), "q="+url.QueryEscape(odd))
		f.Add(uint8(i), "cursor="+url.QueryEscape(odd)+"&sort=last_heartbeat")
	}
	f.Add(uint8(0), "limit=2&page=100000&sort=name&order=asc&q=%F0%9F%98%80&online=false")
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		path := paths[int(which)%len(paths)]
		op := w.huma.OpenAPI().Paths[path].Get
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f }) {
			t.Skip("net/http refuses such a request line itself")
		}
		target := targetOf(path, map[string]string{"node_id": n.ID}, nil, "") + "?" + query
		if _, err := url.ParseRequestURI(target); err != nil {
			t.Skip("net/http refuses it itself")
		}
		w.wantDocumented(t, op, target, send(t, w.engine, http.MethodGet, target, "", as(w.keys[access.Viewer])))
	})
}

func TestDecimals(t *testing.T) {
	for v, want := range map[int64]string{
		0: "0", 1: "0.0000001", -1: "-0.0000001", 10_000_000: "1", 1_000_000_000: "100", 987_654_321: "98.7654321",
		123_000_000: "12.3", -15_000_000: "-1.5",
	} {
		if got := string(appendDecimal(nil, v, 7)); got != want {
			t.Errorf("%d is %s, want %s", v, got, want)
		}
	}
	for v := range int64(2000) { // every value reads back as itself
		text := string(appendDecimal(nil, v, 3))
		whole, part, _ := strings.Cut(text, ".")
		back, err := strconv.ParseInt(whole+(part + "000")[:3], 10, 64)
		if err != nil || back != v || strings.HasSuffix(text, ".") {
			t.Errorf("%d is written %s", v, text)
		}
	}
	if got := string(appendDecimal([]byte("x"), 5, 1)); got != "x0.5" {
		t.Errorf("appended to x: %s", got)
	}
}
