package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// answerOf is what a request got.
type answerOf struct {
	*http.Response
	body []byte
}

// send runs a request against the real handler. edit may be nil.
func (w *world) send(method, path, body string, edit func(*http.Request)) answerOf {
	w.t.Helper()
	return send(w.t, w.engine, method, path, body, edit)
}

func send(t testing.TB, handler http.Handler, method, path, body string, edit func(*http.Request)) answerOf {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, reader)
	r.RemoteAddr = "127.0.0.1:40000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(r)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(untilFlushed{recorder, cancel}, r)
	response := recorder.Result()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf{response, content}
}

// untilFlushed goes away once it was flushed: a stream is read to that point.
type untilFlushed struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (u untilFlushed) Flush() {
	u.ResponseRecorder.Flush()
	u.leave()
}

func as(credential string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+credential) }
}

// get reads a path as a viewer and decodes the answer, which must be 200.
func (w *world) get(path string, into any) {
	w.t.Helper()
	a := w.send(http.MethodGet, path, "", as(w.keys[access.Viewer]))
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %d %s", path, a.StatusCode, a.body)
	}
	w.decode(a.body, into)
}

// decode refuses fields that the test does not know: a shape is compared whole.
func (w *world) decode(body []byte, into any) {
	w.t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		w.t.Fatalf("%v in %s", err, body)
	}
}

// wantError checks the whole envelope and gives its detail.
func (w *world) wantError(a answerOf, status int, code string) detail {
	w.t.Helper()
	var p problem
	if a.StatusCode != status || a.Header.Get("Content-Type") != "application/json" {
		w.t.Fatalf("got %d %s: %s; want %d %s", a.StatusCode, a.Header.Get("Content-Type"), a.body, status, code)
	}
	w.decode(a.body, &p)
	d := p.Detail
	if d.Code != code || d.Message == "" || d.Details == nil || d.Service != "node-management" || d.Version != "v1" ||
		d.RequestID == "" || d.RequestID != a.Header.Get("X-Request-ID") || !d.Timestamp.Equal(w.now()) {
		w.t.Errorf("envelope %s with request id %s; want code %s", a.body, a.Header.Get("X-Request-ID"), code)
	}
	return d
}
