package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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

// The stream outlives the server's and the request's time limits, over both

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
