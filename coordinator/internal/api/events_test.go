package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node"
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

// serve runs the real server, with time limits that a stream must outlive.
func (w *world) serve(t *testing.T, change ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = NewServer(w.engine, w.Logger)
	s.Config.ReadTimeout, s.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
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

func TestStreamFiltersAndResumes(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	all := follow(t, s, w.keys[access.Viewer], "", "")
	proofs := follow(t, s, w.keys[access.Viewer], "?kind=proof&kind=pool", "")
	attic := follow(t, s, w.keys[access.Viewer], "?node_id=node_attic", "")
	opening, _ := all.next()
	for _, r := range []*reader{proofs, attic} {
		r.next()
	}
	w.publish(about("node_attic", 1), event.Event{Kind: event.Proof, NodeID: "node_b", Body: 2}, event.Event{Kind: event.Pool, PoolID: "pool_home", Body: 3})
	w.publish(about("node_attic", 4))
	all.want("1", "2", "3", "4")
	proofs.want("2", "3")
	first := attic.want("1")
	attic.want("4")

	follow(t, s, w.keys[access.Viewer], "", opening.id).want("1", "2", "3", "4")
	follow(t, s, w.keys[access.Viewer], "", first.id).want("2", "3", "4")
	follow(t, s, w.keys[access.Viewer], "?node_id=node_attic", first.id).want("4")
	if e, _ := follow(t, s, w.keys[access.Viewer], "", "99999").next(); e.event != "reset" || e.id == "99999" {
		t.Errorf("resuming after an event that never was: %+v", e)
	}
}

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

// The stream outlives the server's and the request's time limits, over both
// versions of HTTP.
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
			w := newWorld(t, func(c *Config) { c.Timeout = 100 * time.Millisecond })
			w.heartbeat = 20 * time.Millisecond
			r := follow(t, w.serve(t, c.change), w.keys[access.Viewer], "", "")
			for beats := 0; beats < 20; { // four times the limits, at least
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

// Many publish at once while the reader's connection breaks again and again:
// it sees every event once and in order.
func TestStreamResumesUnderConcurrentPublishers(t *testing.T) {
	const publishers, each = 4, 50
	w := newWorld(t)
	s := w.serve(t)
	ctx, stop := context.WithCancel(t.Context())
	var running, publishing sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := w.Events.RunOnce(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				err := db.InTx(ctx, w.db, func(tx db.Tx) error { return event.Publish(ctx, tx, about(fmt.Sprintf("node_%d", p), i)) })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	last, next := "0", map[string]int{}
	for got := 0; got < publishers*each && !t.Failed(); {
		r := follow(t, s, w.keys[access.Viewer], "", last)
		for range 30 {
			e, ok := r.next()
			if !ok {
				break
			}
			if e.event == "" {
				continue
			}
			if e.event == "reset" || string(e.data.Body) != fmt.Sprint(next[e.data.NodeID]) {
				t.Fatalf("got %+v %s; want %d", e, e.data.Body, next[e.data.NodeID])
			}
			next[e.data.NodeID]++
			last = e.id
			if got++; got == publishers*each {
				break
			}
		}
		r.close()
	}
	publishing.Wait()
	stop()
	running.Wait()
}

func TestStreamOfSamples(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	plain, samples := follow(t, s, w.keys[access.Viewer], "", ""), follow(t, s, w.keys[access.Viewer], "?kind=sample&node_id=node_a", "")
	plain.next()
	samples.next()
	for i := range 3 {
		w.Events.Sample("node_a", w.now(), i)
		w.Events.Sample("node_b", w.now(), 100+i)
		w.advance(500 * time.Millisecond)
	}
	if e := samples.want("0", "2"); e.id != "" {
		t.Errorf("a sample has id %s", e.id)
	}
	w.publish(about("node_a", 9))
	plain.want("9")
}

func TestStreamOfAnOwner(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	n := w.enrol("attic-pi", "")
	_, secret, err := w.Access.CreateKey(t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "owner", Role: access.Viewer, NodeIDs: []string{n.ID}})
	if err != nil {
		t.Fatal(err)
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/events?node_id=node_b", "", as(secret)), http.StatusNotFound, "LUCID_ERR_4001")
	r := follow(t, s, secret, "", "")
	r.next()
	w.publish(about("node_b", 1), event.Event{Kind: event.Pool, PoolID: "pool_home", Body: 2}, about(n.ID, 3))
	var got node.Changed
	e, _ := r.next() // its enrolment was numbered after the stream began
	if err := json.Unmarshal(e.data.Body, &got); err != nil || got.Change != "enrolled" || e.data.NodeID != n.ID {
		t.Fatalf("%+v %s", e, e.data.Body)
	}
	r.want("3")
}

func TestStreamRefusals(t *testing.T) {
	w := newWorld(t)
	viewer := as(w.keys[access.Viewer])
	w.wantError(w.send(http.MethodGet, "/api/v1/events", "", nil), http.StatusUnauthorized, "LUCID_ERR_2001")
	w.wantError(w.send(http.MethodGet, "/api/v1/events?kind=weather", "", viewer), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	w.wantError(w.send(http.MethodGet, "/api/v1/events", "", func(r *http.Request) {
		viewer(r)
		r.Header.Set("Last-Event-ID", "1; DROP TABLE event")
	}), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	w.Events = event.NewFeed(event.Config{Pool: w.db, Listeners: 1, Now: w.now})
	l, err := w.Events.Listen(t.Context(), event.Filter{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.wantError(w.send(http.MethodGet, "/api/v1/events", "", viewer), http.StatusTooManyRequests, "LUCID_ERR_3001")
	w.Events.Close()
	w.wantError(w.send(http.MethodGet, "/api/v1/events", "", viewer), http.StatusServiceUnavailable, "LUCID_ERR_5001")
}

// What a node goes through is told in the order of its causes.
func TestStreamOfALife(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t)
	r := follow(t, s, w.keys[access.Viewer], "?kind=node&kind=score&kind=payout", "")
	r.next()
	w.createPool("pool_home", 1_000_000)
	n := w.enrol("attic-pi", "pool_home")
	w.connect(n)
	w.judge(n, "valid", "")
	w.closeEpoch()
	w.publish()
	var got []string
	for len(got) < 5 {
		e, ok := r.next()
		if !ok {
			t.Fatalf("the stream ended after %v", got)
		}
		var body struct{ Change, Reason string }
		if err := json.Unmarshal(e.data.Body, &body); err != nil {
			t.Fatal(err)
		}
		if e.data.NodeID != n.ID || e.data.PoolID != "pool_home" {
			t.Errorf("%s event of %q in %q", e.event, e.data.NodeID, e.data.PoolID)
		}
		got = append(got, e.event+" "+body.Change)
	}
	if want := "node enrolled, node online, node status, score , payout earned"; strings.Join(got, ", ") != want {
		t.Errorf("told %s; want %s", strings.Join(got, ", "), want)
	}
}
