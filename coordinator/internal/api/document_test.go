package api

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/operations.golden anew")

// TestOperationsGolden pins the list of operations: one that appears, goes or
// changes its role must be meant.
func TestOperationsGolden(t *testing.T) {
	w := newWorld(t)
	var lines []string
	for path, item := range w.huma.OpenAPI().Paths {
		for method, op := range methods(item) {
			lines = append(lines, fmt.Sprintf("%-6s %-42s %-10s %s", method, path, op.Extensions["x-role"], op.OperationID))
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[7:], b[7:]) })
	got := strings.Join(lines, "\n") + "\n"
	const file = "testdata/operations.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("operations changed (go test -run OperationsGolden -update writes them):\n%s\nwant\n%s", got, want)
	}
}

func (w *world) document(path string) (doc object) {
	w.t.Helper()
	a := w.send(http.MethodGet, path, "", nil)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/openapi+json" {
		w.t.Fatalf("%s: %d %s", path, a.StatusCode, a.Header.Get("Content-Type"))
	}
	if err := json.Unmarshal(a.body, &doc); err != nil {
		w.t.Fatal(err)
	}
	return doc
}

func TestDocumentsAreServed(t *testing.T) {
	w := newWorld(t)
	for path, version := range map[string]string{"/openapi.json": "3.1.0", "/openapi-3.0.json": "3.0.3"} {
		doc := w.document(path)
		if doc["openapi"] != version || len(doc["paths"].(object)) != len(w.huma.OpenAPI().Paths) {
			t.Errorf("%s is %v with %d paths", path, doc["openapi"], len(doc["paths"].(object)))
		}
		text := w.body(doc)
		for _, reference := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(text, -1) {
			if _, known := doc["components"].(object)["schemas"].(object)[reference[1]]; !known {
				t.Errorf("%s refers to %s, which it does not hold", path, reference[1])
			}
		}
		if strings.Contains(text, "ErrorModel") {
			t.Errorf("%s shows an error shape that no answer has", path)
		}
	}
	if text := w.body(w.document("/openapi-3.0.json")); strings.Contains(text, `"null"`) || strings.Contains(text, `"anyOf"`) ||
		strings.Contains(text, "patternDescription") {
		t.Error("the 3.0 document holds what 3.0 does not know")
	}
	for path, begin := range map[string]string{"/openapi.yaml": "openapi: 3.1.0", "/openapi-3.0.yaml": "openapi: 3.0.3"} {
		if a := w.send(http.MethodGet, path, "", nil); !strings.Contains(string(a.body), begin) {
			t.Errorf("%s lacks %q", path, begin)
		}
	}
}

func TestDocsPage(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodGet, "/docs", "", nil)
	page := string(a.body)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Content-Type"))
	}
	policy := a.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	for _, bad := range []string{"<script", "<style", " style=", " onclick", "//unpkg", `="http://`, `="https://`, "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for _, reference := range regexp.MustCompile(`(?:href|src)="([^"#]+)"`).FindAllStringSubmatch(page, -1) {
		if b := w.send(http.MethodGet, reference[1], "", nil); b.StatusCode != http.StatusOK {
			t.Errorf("the page refers to %s, which answers %d", reference[1], b.StatusCode)
		}
	}
	for path, item := range w.huma.OpenAPI().Paths {
		for _, op := range maps.Collect(methods(item)) {
			for _, text := range []string{path, html.EscapeString(op.Summary), `id="` + op.OperationID + `"`} {
				if !strings.Contains(page, text) {
					t.Errorf("the page lacks %s", text)
				}
			}
		}
	}
	for _, text := range []string{"LUCID_ERR_4001", "pagination.next_cursor", "cpu.usage_percent", "node_id (path)", "number or null", "object or null"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
}

// TestDocumentsAreRenderedOnce, by whoever asks first, however many ask at once.
func TestDocumentsAreRenderedOnce(t *testing.T) {
	w := newWorld(t)
	var rendered atomic.Int64
	w.plain("once", "/once", w.rendered("text/plain", func() ([]byte, error) {
		return fmt.Appendf(nil, "rendering %d", rendered.Add(1)), nil
	}))
	w.plain("never", "/never", w.rendered("text/plain", func() ([]byte, error) { return nil, errors.New("no such shape") }))
	if rendered.Load() != 0 {
		t.Error("it is rendered before anybody asks")
	}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			if a := w.send(http.MethodGet, "/once", "", nil); string(a.body) != "rendering 1" || a.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("%d %s: %s", a.StatusCode, a.Header.Get("Content-Type"), a.body)
			}
		})
	}
	asking.Wait()
	w.wantError(w.send(http.MethodGet, "/never", "", nil), http.StatusInternalServerError, "LUCID_ERR_5000")
	if !strings.Contains(w.log.String(), "no such shape") {
		t.Errorf("the log does not say why: %s", w.log)
	}
}
