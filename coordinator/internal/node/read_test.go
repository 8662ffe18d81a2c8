package node_test

import (
	"context"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// TestReadsSeeWhatOthersWrite: a store remembers rows, and yet shows at once
// what another coordinator writes.
func TestReadsSeeWhatOthersWrite(t *testing.T) {
	pool := dbtest.New(t)
	now := time.Now().Truncate(time.Millisecond)
	clock := func() time.Time { return now }
	leave := func(context.Context, db.Tx, int32, time.Time) error { return nil }
	reader := node.NewStore(node.Config{Pool: pool, Now: clock, Leave: leave})
	writer := node.NewStore(node.Config{Pool: pool, Now: clock, Leave: leave})
	by := audit.By{Actor: audit.CLI}
	made, _, err := writer.Create(t.Context(), by, node.New{Name: "attic-pi", Type: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	presence := node.NewPresence(pool, clock)
	var session uint64
	for _, step := range []struct {
		name string
		do   func() error
		seen func(node.Node) bool
	}{
		{"nothing", func() error { return nil }, func(n node.Node) bool { return n.LastHeartbeat == nil && n.OnlineSince == nil }},
		{"labels", func() error {
			_, err := writer.Update(t.Context(), by, made.ID, node.Update{Labels: map[string]string{"site": "attic"}})
			return err
		}, func(n node.Node) bool { return n.Labels["site"] == "attic" }},
		{"inventory", func() error {
			return writer.SetInventory(t.Context(), made.No, &wire.Inventory{Model: "Pi 5"})
		}, func(n node.Node) bool { return n.Inventory.Model == "Pi 5" }},
		{"score", func() error {
			return db.InTx(t.Context(), pool, func(tx db.Tx) error { return node.SetScore(t.Context(), tx, made.No, 7) })
		}, func(n node.Node) bool { return n.ScoreNano == 7 }},
		{"connection", func() (err error) {
			session, _, err = presence.Connected(t.Context(), made.No, node.AnyKey)
			return err
		}, func(n node.Node) bool { return n.Online && n.OnlineSince.Equal(now) && n.LastHeartbeat.Equal(now) }},
		{"sample", func() error {
			_, err := pool.Exec(t.Context(), "INSERT INTO sample_latest VALUES ($1, $2, $2, 1, 1, '{}')", made.No, now.Add(time.Second))
			return err
		}, func(n node.Node) bool { return n.LastHeartbeat.Equal(now.Add(time.Second)) }},
		{"next sample", func() error {
			_, err := pool.Exec(t.Context(), `INSERT INTO sample_latest AS l VALUES ($1, $2, $2, 1, 2, '{}')
				ON CONFLICT (node_no) DO UPDATE SET received_at = excluded.received_at`, made.No, now.Add(9*time.Second))
			return err
		}, func(n node.Node) bool { return n.LastHeartbeat.Equal(now.Add(9 * time.Second)) }},
		{"departure, noticed before the last sample", func() error {
			_, err := presence.Disconnected(t.Context(), made.No, session)
			return err
		}, func(n node.Node) bool {
			return !n.Online && n.OnlineSince == nil && n.LastHeartbeat.Equal(now.Add(9*time.Second))
		}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		n, err := reader.Get(t.Context(), made.ID)
		if err != nil || !step.seen(n) {
			t.Errorf("after %s: %+v, %v", step.name, n, err)
		}
		list, _, _, err := reader.List(t.Context(), node.Filter{Limit: 10, Sort: "last_heartbeat"})
		if err == nil && len(list) == 1 {
			n = *list[0].Node
			n.LastHeartbeat = list[0].LastHeartbeat
		}
		if err != nil || len(list) != 1 || !step.seen(n) {
			t.Errorf("after %s the list is %+v, %v", step.name, list, err)
		}
	}
	if err := writer.Delete(t.Context(), by, made.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Get(t.Context(), made.ID); err == nil {
		t.Error("a deleted node is read")
	}
	list, total, _, err := reader.List(t.Context(), node.Filter{Limit: 10, Sort: "last_heartbeat"})
	if err != nil || len(list) != 0 || total != 0 {
		t.Errorf("a deleted node is listed: %v of %d, %v", list, total, err)
	}
}
