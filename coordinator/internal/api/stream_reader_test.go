package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
)

// told is one event of a stream as a reader sees it.
type told struct {
	id, event, comment string
	data               event.Message
}

// reader reads one stream.
type reader struct {
	t     *testing.T
	lines *bufio.Reader
	close func() error
}

// serve runs the real server.
func (w *world) serve(t *testing.T, change ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = NewServer(w.engine, w.Logger)
	s.Config.RegisterOnShutdown(w.Events.Close)
	for _, f := range change {
		f(s)
	}
	if s.TLS == nil {
		s.Start()
	} else {
		s.StartTLS()
	}
	t.Cleanup(func() {
		w.Events.Close()
		s.Close()
	})
	return s
}

// follow opens a stream; path is what comes after /events.
func follow(t *testing.T, s *httptest.Server, credential, path, lastID string) *reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+basePath+"/events"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	as(credential)(r)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if h := response.Header; response.StatusCode != http.StatusOK || h.Get("Content-Type") != "text/event-stream" ||
		h.Get("Cache-Control") != "no-store, no-transform" {
		t.Fatalf("%s with %v", response.Status, h)
	}
	return &reader{t, bufio.NewReader(response.Body), response.Body.Close}
}

// next reads one event; ok is false at the end of the stream.
func (r *reader) next() (e told, ok bool) {
	r.t.Helper()
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, false
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "\n":
			return e, true
		case field == "":
			e.comment = value
		case field == "id":
			e.id = value
		case field == "event":
			e.event = value
		case field == "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				r.t.Fatalf("%v in %s", err, value)
			}
		}
	}
}

// want reads events with these data, after the opening and between heartbeats.
func (r *reader) want(data ...string) (last told) {
	r.t.Helper()
	for _, want := range data {
		e, ok := r.next()
		for ok && e.event == "" { // the opening or a heartbeat
			e, ok = r.next()
		}
		if !ok || string(e.data.Body) != want || e.event != string(e.data.Kind) || e.data.No != 0 && e.id != fmt.Sprint(e.data.No) {
			r.t.Fatalf("got %+v %s, %v; want %s", e, e.data.Body, ok, want)
		}
		last = e
	}
	return last
}

func (r *reader) wantEnd() {
	r.t.Helper()
	for {
		e, ok := r.next()
		if !ok {
			return
		}
		if e.event != "" {
			r.t.Fatalf("got %+v, want the end", e)
		}
	}
}

func (w *world) publish(events ...event.Event) {
	w.t.Helper()
	w.inTx(func(ctx context.Context, tx db.Tx) error { return event.Publish(ctx, tx, events...) })
	if err := w.Events.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func about(nodeID string, body int) event.Event {
	return event.Event{Kind: event.Node, NodeID: nodeID, Body: body}
}
