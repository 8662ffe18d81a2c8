package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"lucid.internal/coordinator/internal/access"
)

func TestHealthAndVersion(t *testing.T) {
	w := newWorld(t)
	var health, version object
	w.get("/health", &health)
	wantObject(t, health, object{"status": "alive"})
	w.get("/version", &version)
	if version["service"] != "node-management" || version["version"] != "1.2.3" || version["api"] != "v1" {
		t.Errorf("version %v", version)
	}
}

func TestReady(t *testing.T) {
	var broken error
	w := newWorld(t, func(c *Config) {
		c.Checks = []Check{
			{Name: "database", Run: func(context.Context) error { return broken }},
			{Name: "broker", Run: func(context.Context) error { return nil }},
		}
	})
	read := func() (answerOf, readyBody) {
		a := w.send(http.MethodGet, "/ready", "", nil)
		var b readyBody
		w.decode(a.body, &b)
		return a, b
	}
	if a, b := read(); a.StatusCode != http.StatusOK || b.Status != "ready" || len(b.Checks) != 2 || !b.Checks[0].OK || b.Error != nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for _, c := range []struct {
		err    error
		reason string
	}{
		{errors.New("schema 6 is not 7"), "schema 6 is not 7"},
		{&pgconn.PgError{Code: "57P03", Message: "secret words"}, "the database does not answer at the moment; try again"},
	} {
		broken = c.err
		a, b := read()
		if a.StatusCode != http.StatusServiceUnavailable || b.Status != "unready" || b.Checks[0].OK || !b.Checks[1].OK ||
			*b.Checks[0].Reason != c.reason || b.Error == nil || b.Error.Code != "LUCID_ERR_5001" ||
			len(b.Error.Details) != 1 || b.Error.Details[0].Name != "database" || b.Error.RequestID != a.Header.Get("X-Request-ID") {
			t.Errorf("%d %s; want reason %q", a.StatusCode, a.body, c.reason)
		}
		if !strings.Contains(w.log.String(), c.err.Error()) {
			t.Errorf("the log lacks %q", c.err)
		}
	}
}

func TestPanickingCheckIsAFailingCheck(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Checks = []Check{{Name: "broker", Run: func(context.Context) error { panic("the secret cause") }}}
	})
	a := w.send(http.MethodGet, "/ready", "", nil)
	if a.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(a.body), "secret") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/nodes/", new(nodeNames))
	w.send(http.MethodGet, "/api/v1/nodes/", "", nil)
	for _, path := range []string{"/a", "/b", "/c"} { // paths make no series
		w.send(http.MethodGet, path, "", as(w.keys[access.Viewer]))
	}
	text := string(w.send(http.MethodGet, "/metrics", "", nil).body)
	for _, line := range []string{
		`lucid_api_requests_total{operation="listNodes",status="200"} 1`,
		`lucid_api_requests_total{operation="listNodes",status="401"} 1`,
		`lucid_api_requests_total{operation="none",status="404"} 3`,
		`lucid_api_request_duration_seconds_count{operation="listNodes"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
}
