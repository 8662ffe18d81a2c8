package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

func TestRouterErrors(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/", "/api/v1/nothing", "/api/v1/nodes/node_1/nothing", "/api/v2/nodes/", "//api/v1/nodes/", "/docs/", "/api/v1/nodes//"} {
		w.wantError(w.send(http.MethodGet, path, "", nil), http.StatusNotFound, "LUCID_ERR_1004")
	}
	a := w.send(http.MethodDelete, "/api/v1/nodes/", "", nil)
	w.wantError(a, http.StatusMethodNotAllowed, "LUCID_ERR_1005")
	if allow := a.Header.Get("Allow"); allow != "GET, POST" {
		t.Errorf("Allow is %q, want GET, POST", allow)
	}
	a = w.send(http.MethodGet, "/api/v1/enroll", "", nil)
	w.wantError(a, http.StatusMethodNotAllowed, "LUCID_ERR_1005")
	if allow := a.Header.Get("Allow"); allow != "POST" {
		t.Errorf("Allow is %q, want POST", allow)
	}
}

func (w *world) fieldNames(d detail) []string {
	var names []string
	for _, f := range d.Details {
		if f.Reason == "" {
			w.t.Errorf("field %s has no reason", f.Name)
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

func TestValidationNamesEveryBadField(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodGet, "/api/v1/nodes/?limit=0&page=x&status=dead&node_type=1&pool_id=a&online=maybe&sort=size&order=up&q=%00&cursor=*", "", as(w.keys[access.Viewer]))
	got := w.fieldNames(w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002"))
	want := []string{"cursor", "limit", "node_type", "online", "order", "page", "pool_id", "q", "sort", "status"}
	if !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	for path, field := range map[string]string{
		"/api/v1/nodes/abc":                             "node_id",
		"/api/v1/nodes/node_" + strings.Repeat("a", 60): "node_id",
		"/api/v1/nodes/pools/abc":                       "pool_id",
		"/api/v1/nodes/?statu=active":                   "statu",
		"/api/v1/nodes/?cursor=bm90aGluZw":              "cursor",
	} {
		d := w.wantError(w.send(http.MethodGet, path, "", as(w.keys[access.Viewer])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
		if names := w.fieldNames(d); !slices.Equal(names, []string{field}) {
			t.Errorf("%s: fields %v, want %s", path, names, field)
		}
	}
}

func TestBadBodies(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		body        string
		contentType string
		status      int
		code        string
	}{
		"empty":           {"", "application/json", 400, "LUCID_ERR_1001"},
		"not JSON":        {"{", "application/json", 400, "LUCID_ERR_1001"},
		"two values":      {"{} {}", "application/json", 400, "LUCID_ERR_1001"},
		"other type":      {"v=1", "application/x-www-form-urlencoded", 415, "LUCID_ERR_1003"},
		"type unreadable": {"{}", "a;+b", 415, "LUCID_ERR_1003"},
		"array":           {"[]", "application/json", 422, "LUCID_ERR_1002"},
		"too large":       {`"` + strings.Repeat("a", maxEnrollBytes) + `"`, "application/json", 413, "LUCID_ERR_1003"},
		"far too large":   {`"` + strings.Repeat("a", 2*maxBodyBytes) + `"`, "application/json", 413, "LUCID_ERR_1003"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.send(http.MethodPost, "/api/v1/enroll", c.body, func(r *http.Request) { r.Header.Set("Content-Type", c.contentType) })
			w.wantError(a, c.status, c.code)
		})
	}
	a := w.send(http.MethodPost, "/api/v1/enroll", "x", func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) })
	w.wantError(a, http.StatusBadRequest, "LUCID_ERR_1001")

	a = w.send(http.MethodPost, "/api/v1/enroll", `{"v":"one","token":7}`, nil)
	got := w.fieldNames(w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002"))
	for _, field := range []string{"v", "token"} {
		if !slices.Contains(got, field) {
			t.Errorf("fields %v lack %s", got, field)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("malformed chunk") }

// withOperation adds an operation that does what a test needs.
func (w *world) withOperation(path string, run func(context.Context) error) {
	register(w.server, operation{id: "test" + path[1:], method: http.MethodPost, path: path, tag: "test", summary: "test"},
		func(ctx context.Context, _ *struct{}) (*answer[healthBody], error) { return nil, run(ctx) })
}

func TestPanicIsRecovered(t *testing.T) {
	w := newWorld(t)
	w.withOperation("/panic", func(context.Context) error { panic("the secret cause") })
	a := w.send(http.MethodPost, "/panic", "", nil)
	w.wantError(a, http.StatusInternalServerError, "LUCID_ERR_5000")
	if strings.Contains(string(a.body), "secret") {
		t.Errorf("the answer shows the cause: %s", a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "the secret cause") || !strings.Contains(log, "problem_test.go") ||
		!strings.Contains(log, a.Header.Get("X-Request-ID")) {
		t.Errorf("the log lacks the cause, its stack or the request id:\n%s", log)
	}
}

func TestUnknownErrorShowsNothing(t *testing.T) {
	w := newWorld(t)
	var cause error
	w.withOperation("/broken", func(context.Context) error { return cause })
	for _, cause = range []error{errors.New("the secret cause"), fault.New(fault.InternalError, "the secret fault")} {
		a := w.send(http.MethodPost, "/broken", "", nil)
		w.wantError(a, http.StatusInternalServerError, "LUCID_ERR_5000")
		if strings.Contains(string(a.body), "secret") || !strings.Contains(w.log.String(), cause.Error()) {
			t.Errorf("%q belongs into the log, not into the answer: %s", cause, a.body)
		}
	}
}

func TestEveryKindHasItsStatus(t *testing.T) {
	w := newWorld(t)
	var code fault.Code
	w.withOperation("/fault", func(context.Context) error { return fmt.Errorf("doing it: %w", fault.New(code, "a reason")) })
	for c, want := range map[fault.Code]int{
		fault.BodyMalformed: 400, fault.Validation: 422, fault.MediaType: 415, fault.RouteUnknown: 404, fault.MethodNotAllowed: 405,
		fault.NoCredentials: 401, fault.BadCredentials: 401, fault.RoleTooLow: 403, fault.BadEnrolmentToken: 403, fault.RateLimited: 429,
		fault.NodeNotFound: 404, fault.NameTaken: 409, fault.ChangedMeanwhile: 412, fault.DatabaseDown: 503, fault.TimedOut: 504,
	} {
		code = c
		a := w.send(http.MethodPost, "/fault", "", nil)
		if d := w.wantError(a, want, c.String()); d.Message != "a reason" {
			t.Errorf("%s: message %q", c, d.Message)
		}
	}
}

func TestEveryCodeHasAMeaning(t *testing.T) {
	numbers := map[int]bool{}
	for c, text := range meanings() {
		if text == "" || numbers[c.Number] {
			t.Errorf("code %s: meaning %q", c, text)
		}
		numbers[c.Number] = true
	}
	if len(numbers) != 35 {
		t.Errorf("%d codes have a meaning, the table has 35", len(numbers))
	}
}

func TestTimeOut(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Timeout = time.Millisecond })
	w.withOperation("/slow", func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("read: %w", ctx.Err())
	})
	w.wantError(w.send(http.MethodPost, "/slow", "", nil), http.StatusGatewayTimeout, "LUCID_ERR_5002")
}

// The database's server cannot be reached: nothing listens on port 1.
func TestDatabaseDown(t *testing.T) {
	dead, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dead.Close)
	w := newWorld(t, func(c *Config) { c.Nodes = node.NewStore(node.Config{Pool: dead}) })
	a := w.send(http.MethodGet, "/api/v1/nodes/", "", as(w.keys[access.Viewer]))
	w.wantError(a, http.StatusServiceUnavailable, "LUCID_ERR_5001")
	if strings.Contains(string(a.body), "nobody") || strings.Contains(string(a.body), "127.0.0.1") {
		t.Errorf("the answer shows where the database is: %s", a.body)
	}
}

// The server goes away between two requests, with a connection open.
func TestDatabaseGoesAway(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/nodes/", new(nodeNames))
	if _, err := w.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()`); err == nil {
		t.Fatal("the connection outlived its end")
	} else if !databaseDown(err) {
		t.Errorf("a terminated connection is not taken for a database that is down: %v", err)
	}
}

func TestDatabaseDownIsTold(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{&pgconn.PgError{Code: "57P03"}, fault.DatabaseDown},
		{&pgconn.PgError{Code: "53300"}, fault.DatabaseDown},
		{&pgconn.PgError{Code: "08006"}, fault.DatabaseDown},
		{io.ErrUnexpectedEOF, fault.DatabaseDown},
		{&pgconn.PgError{Code: "57014"}, fault.TimedOut},
		{context.Canceled, fault.TimedOut},
		{&pgconn.PgError{Code: "23505"}, fault.InternalError},
		{errors.New("any"), fault.InternalError},
		{fault.Wrap(fault.NodeNotFound, io.ErrUnexpectedEOF, "none"), fault.NodeNotFound},
	} {
		if got := classify(fmt.Errorf("list nodes: %w", c.err)); got.Code != c.want {
			t.Errorf("%v is %s, want %s", c.err, got.Code, c.want)
		}
	}
}

func TestNotFound(t *testing.T) {
	w := newWorld(t)
	for path, code := range map[string]string{
		"/api/v1/nodes/node_none":              "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/status":       "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/resources":    "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/poot/score":   "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/poot/history": "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/payouts":      "LUCID_ERR_4001",
		"/api/v1/nodes/node_none/earnings":     "LUCID_ERR_4001",
		"/api/v1/nodes/pools/pool_none":        "LUCID_ERR_4101",
	} {
		w.wantError(w.send(http.MethodGet, path, "", as(w.keys[access.Viewer])), http.StatusNotFound, code)
	}
}
