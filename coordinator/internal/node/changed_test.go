package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node"
)

// told is what was told of nodes so far, in a word or two each.
func (w *world) told(t *testing.T, nodeID string) (all []string) {
	t.Helper()
	feed := event.NewFeed(event.Config{Pool: w.pool})
	defer feed.Close()
	if err := feed.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := int64(0)
	l, err := feed.Listen(t.Context(), event.Filter{Kinds: []event.Kind{event.Node}, NodeIDs: []string{nodeID}}, &start)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ctx, cancel := context.WithCancel(t.Context())
		if all != nil {
			cancel() // what is read already comes all the same
		}
		m, err := l.Next(ctx)
		cancel()
		if err != nil {
			return all
		}
		var c node.Changed
		if err := json.Unmarshal(m.Body, &c); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s>%s %v", c.Change, c.Before, c.Status, c.Online))
	}
}

func TestChangesAreTold(t *testing.T) {
	w := newWorld(t)
	no, id := w.enrolled(t, "pi")
	p := node.NewPresence(w.pool, w.Now)
	first, _, err := p.Connected(t.Context(), no, 1)
	if err != nil {
		t.Fatal(err)
	}
	inTx := func(f func(ctx context.Context, tx db.Tx) error) {
		t.Helper()
		if err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error { return f(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time nothing changes
		inTx(func(ctx context.Context, tx db.Tx) error {
			return node.SetStatus(ctx, tx, no, node.Active, "proven", w.Now())
		})
	}
	second, _, err := p.Connected(t.Context(), no, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range []uint64{first, second} { // the first was taken over: its end is no news
		if _, err := p.Disconnected(t.Context(), no, session); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.Connected(t.Context(), no, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		inTx(func(ctx context.Context, tx db.Tx) error { return node.EndAll(ctx, tx, w.Now()) })
	}
	want := []string{
		"enrolled >starting false", "online >starting true", "status starting>active true", "online >active true",
		"offline >active false", "online >active true", "offline >active false",
	}
	if got := w.told(t, id); !slices.Equal(got, want) {
		t.Errorf("told %q\nwant %q", got, want)
	}
}
