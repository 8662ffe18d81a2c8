package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/event"
)

// Else one viewer could take every place that the feed has.
func TestStreamsOfOneCallerAreBounded(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	for range mostStreams {
		follow(t, s, w.keys[access.Viewer], "", "").next()
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/events", "", as(w.keys[access.Viewer])), http.StatusTooManyRequests, "LUCID_ERR_3001")
	follow(t, s, w.keys[access.Operator], "", "").next()

	o := newOpenStreams()
	for range 2 { // each that ends makes room
		for range mostStreams {
			if !o.begin("a") {
				t.Fatal("refused too early")
			}
		}
		if o.begin("a") || !o.begin("b") {
			t.Error("one too many, or another caller refused")
		}
		for range mostStreams {
			o.end("a")
		}
		o.end("b")
	}
	if len(o.by) != 0 {
		t.Errorf("%v is kept", o.by)
	}
}

// A stream is open for longer than any request may take, over both versions of
// HTTP.
func TestStreamOutlivesTimeLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*httptest.Server)
		proto  int
	}{
		{"HTTP/1.1", func(*httptest.Server) {}, 1},
		{"HTTP/2", func(s *httptest.Server) { s.EnableHTTP2, s.TLS = true, &tls.Config{MinVersion: tls.VersionTLS12} }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			const limit = 2 * time.Second // also of what comes before the stream: handshake and login
			w := newWorld(t, func(c *Config) { c.Timeout = limit })
			w.heartbeat = 100 * time.Millisecond
			limited := func(s *httptest.Server) { s.Config.ReadTimeout, s.Config.WriteTimeout = limit, limit }
			r := follow(t, w.serve(t, limited, c.change), w.keys[access.Viewer], "", "")
			for beats := 0; beats < 2*int(limit/w.heartbeat); { // twice the limit, at least
				e, ok := r.next()
				if !ok {
					t.Fatalf("the stream ended after %d heartbeats", beats)
				}
				if e.comment != "" {
					beats++
				}
			}
			w.publish(about("node_a", 1))
			r.want("1")
		})
	}
}

func TestStreamEndsWithItsCredential(t *testing.T) {
	w := newWorld(t)
	w.heartbeat = 20 * time.Millisecond
	s := w.serve(t)

	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer]))
	var token tokenBody
	if err := json.Unmarshal(a.body, &token); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.advance(token.ExpiresAt.Sub(w.now()) - 50*time.Millisecond)
	follow(t, s, token.AccessToken, "", "").wantEnd()

	key, secret, err := w.Access.CreateKey(t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "short", Role: access.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	r := follow(t, s, secret, "", "")
	r.next()
	if err := w.Access.RevokeKey(t.Context(), audit.By{Actor: audit.CLI}, key.ID); err != nil {
		t.Fatal(err)
	}
	r.wantEnd()
}

func TestStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	r := follow(t, s, w.keys[access.Viewer], "", "")
	r.next()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		t.Errorf("the open stream held the server up: %v", err)
	}
	r.wantEnd()
}

// Who takes nothing is dropped, while the others go on.
func TestSlowReaderIsDropped(t *testing.T) {
	w := newWorld(t)
	w.Events = event.NewFeed(event.Config{Pool: w.db, Buffer: 8})
	s := w.serve(t)
	slow, quick := follow(t, s, w.keys[access.Viewer], "", ""), follow(t, s, w.keys[access.Viewer], "?kind=proof", "")
	slow.next()
	quick.next()
	big := strings.Repeat("x", 100_000)
	for range 50 { // far more than the buffers of the feed and the network hold
		events := make([]event.Event, 8)
		for i := range events {
			events[i] = event.Event{Kind: event.Node, Body: big}
		}
		w.publish(events...)
		if w.Events.Listening() == 1 {
			break
		}
	}
	if n := w.Events.Listening(); n != 1 {
		t.Fatalf("%d listeners, want the quick one only", n)
	}
	w.publish(event.Event{Kind: event.Proof, Body: 1})
	quick.want("1")
}
