package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// BenchmarkGetNode reads one node with a token: the way of most requests, with
// the database and without the network.
func BenchmarkGetNode(b *testing.B) {
	w := newWorld(b)
	n := w.enrol("attic-pi", "")
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer])).body, &token)
	for _, path := range []string{"/api/v1/nodes/" + n.ID, "/health"} {
		b.Run(path[:7], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				as(token.AccessToken)(r)
				recorder := httptest.NewRecorder()
				w.engine.ServeHTTP(recorder, r)
				if recorder.Code != http.StatusOK {
					b.Fatalf("%d %s", recorder.Code, recorder.Body)
				}
			}
		})
	}
}
