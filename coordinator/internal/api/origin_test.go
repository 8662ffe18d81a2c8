package api

import (
	"net/http"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

const dashboard = "https://fleet.example"

func origin(value, preflight string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Origin", value)
		if preflight != "" {
			r.Header.Set("Access-Control-Request-Method", preflight)
		}
	}
}

func TestOrigins(t *testing.T) {
	w := newWorld(t, limited(Limits{User: 100}), func(c *Config) { c.Origins = []string{dashboard, "http://localhost:3000"} })
	for given, want := range map[string]string{
		dashboard: dashboard, "http://localhost:3000": "http://localhost:3000",
		"https://fleet.example.evil.net": "", "https://FLEET.example": "", "http://fleet.example": "", "http://localhost:3001": "",
		"null": "", "*": "", "": "",
	} {
		a := w.send(http.MethodGet, nodesPath, "", func(r *http.Request) {
			origin(given, "")(r)
			as(w.keys[access.Viewer])(r)
		})
		if a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != want || a.Header.Get("Vary") != "Origin" {
			t.Errorf("%q: %d %v", given, a.StatusCode, a.Header)
		}
		exposed := a.Header.Get("Access-Control-Expose-Headers")
		for _, name := range []string{"X-Request-ID", "RateLimit-Remaining", "Retry-After", "ETag"} {
			if strings.Contains(exposed, name) != (want != "") {
				t.Errorf("%q may read %q", given, exposed)
			}
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("cookies are let through")
		}
	}
	// A page must be able to read why it was refused.
	a := w.send(http.MethodGet, nodesPath, "", origin(dashboard, ""))
	w.wantError(a, http.StatusUnauthorized, "LUCID_ERR_2001")
	if a.Header.Get("Access-Control-Allow-Origin") != dashboard {
		t.Error("an error cannot be read")
	}
}

func TestPreflight(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 1}), func(c *Config) { c.Origins = []string{dashboard} })
	for range 3 { // it is not counted: browsers ask once for each address
		a := w.send(http.MethodOptions, "/api/v1/nodes/node_a", "", origin(dashboard, "PUT"))
		if a.StatusCode != http.StatusNoContent || len(a.body) > 0 || a.Header.Get("Access-Control-Allow-Origin") != dashboard ||
			!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "PUT") ||
			!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "If-Match") || a.Header.Get("Access-Control-Max-Age") == "" {
			t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.body)
		}
	}
	a := w.send(http.MethodOptions, "/api/v1/nodes/node_a", "", origin("https://evil.example", "PUT"))
	w.wantError(a, http.StatusMethodNotAllowed, "LUCID_ERR_1005")
	if a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("%v", a.Header)
	}
}

// Every method of an operation, and every header that one reads, is allowed to
// pages.
func TestPagesMayUseAllOperations(t *testing.T) {
	w := newWorld(t)
	for path, item := range w.huma.OpenAPI().Paths {
		for method, op := range methods(item) {
			if !strings.Contains(corsMethods, method) {
				t.Errorf("%s %s is closed to pages", method, path)
			}
			for _, p := range op.Parameters {
				if p.In == "header" && !strings.Contains(corsHeaders, p.Name) {
					t.Errorf("%s %s reads %s, which pages may not send", method, path, p.Name)
				}
			}
		}
	}
}

func TestNoOriginsByDefault(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodOptions, nodesPath, "", origin(dashboard, "GET"))
	w.wantError(a, http.StatusMethodNotAllowed, "LUCID_ERR_1005")
	for name := range a.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			t.Errorf("%s: %v", name, a.Header[name])
		}
	}
}

func TestHosts(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Hosts = []string{"fleet.example", "127.0.0.1", "::1"} })
	for host, ok := range map[string]bool{
		"fleet.example": true, "FLEET.example:8095": true, "fleet.example.": true, "127.0.0.1:8095": true, "[::1]:8095": true, "[::1]": true,
		"": false, "evil.example": false, "fleet.example.evil.net": false, "evil.example:fleet.example": false, "fleet.example@evil": false,
		"127.0.0.2": false, "*": false, ":8095": false,
	} {
		at := func(path string) answerOf {
			return w.send(http.MethodGet, path, "", func(r *http.Request) { r.Host = host })
		}
		for _, path := range []string{"/version", "/docs", "/metrics", "/nothing"} {
			a := at(path)
			if ok != (a.StatusCode != http.StatusMisdirectedRequest) {
				t.Errorf("%q at %s: %d", host, path, a.StatusCode)
			}
			if !ok {
				w.wantError(a, http.StatusMisdirectedRequest, "LUCID_ERR_1004")
			}
		}
		for _, path := range []string{"/health", "/ready"} {
			if a := at(path); a.StatusCode != http.StatusOK {
				t.Errorf("probe of %q: %d", host, a.StatusCode)
			}
		}
	}
	for _, hosts := range [][]string{nil, {AnyHost}, {"a.example", AnyHost}} {
		if s := (&server{Config: Config{Hosts: hosts}}); !s.trusts("evil.example") {
			t.Errorf("%v does not let all through", hosts)
		}
	}
}
