package pool

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
)

// A list shows at once what another coordinator writes of a pool and who is in
// it; what is counted of the nodes is at most a second old, and counted no more
// often.
func TestListSeesWhatOthersWrite(t *testing.T) {
	plain := dbtest.New(t)
	watched, sent := dbtest.Record(t, plain)
	now := time.Now().Truncate(time.Millisecond)
	clock := func() time.Time { return now }
	reader, writer := NewStore(watched, clock), NewStore(plain, clock)
	by := audit.By{Actor: audit.CLI}
	exec := func(sql string) func() error {
		return func() error { _, err := plain.Exec(t.Context(), sql); return err }
	}
	update := func(p Patch) func() error {
		return func() error { _, err := writer.Update(t.Context(), by, "pool_home", nil, p); return err }
	}
	if _, err := writer.Create(t.Context(), by, New{ID: "pool_home", Name: "home"}); err != nil {
		t.Fatal(err)
	}
	if err := exec("INSERT INTO node (node_id, name, status, online) VALUES ('node_a', 'attic-pi', 'active', true)")(); err != nil {
		t.Fatal(err)
	}
	const countsNodes = "FILTER (WHERE n.online)"
	for _, step := range []struct {
		name   string
		do     func() error
		seen   func(p *Listed) bool
		counts bool // the nodes of the pool
	}{
		{"nothing", func() error { return nil }, func(p *Listed) bool { return p.NodeCount == 0 && p.OnlineCount == 0 }, true},
		{"nothing again", func() error { return nil }, func(p *Listed) bool { return p.NodeCount == 0 }, false},
		{"a node joined", func() error { return writer.Add(t.Context(), by, "pool_home", "node_a", 0) },
			func(p *Listed) bool { return p.NodeCount == 1 && p.OnlineCount == 1 }, true},
		{"its reward", update(Patch{RewardPerEpoch: new(ledger.USDT(7))}), func(p *Listed) bool { return p.RewardPerEpoch == ledger.USDT(7) }, true},
		{"its name", update(Patch{Name: new("house")}), func(p *Listed) bool { return p.Name == "house" }, true},
		{"a node just went", exec("UPDATE node SET online = false"), func(p *Listed) bool { return p.OnlineCount == 1 }, false},
		{"a second ago", func() error { now = now.Add(listedFor); return nil }, func(p *Listed) bool { return p.OnlineCount == 0 }, true},
		{"a clock set back", func() error { now = now.Add(-time.Hour); return nil }, func(p *Listed) bool { return p.OnlineCount == 0 }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		sent.Take()
		list, total, _, err := reader.List(t.Context(), Filter{Limit: 10})
		if err != nil || total != 1 || len(list) != 1 || !step.seen(list[0]) {
			t.Fatalf("after %s: %+v of %d, %v", step.name, list, total, err)
		}
		counted := false
		for _, s := range sent.Take() {
			counted = counted || strings.Contains(s.SQL, countsNodes)
		}
		if counted != step.counts {
			t.Errorf("after %s: the pool's nodes were counted: %t, want %t", step.name, counted, step.counts)
		}
	}
	now = now.Add(2 * time.Hour)
	if err := writer.Remove(t.Context(), by, "pool_home", "node_a"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Delete(t.Context(), by, "pool_home", nil); err != nil {
		t.Fatal(err)
	}
	if list, total, _, err := reader.List(t.Context(), Filter{Limit: 10}); err != nil || len(list) != 0 || total != 0 {
		t.Errorf("a deleted pool is listed: %v of %d, %v", list, total, err)
	}
}

func TestMemoryOfPoolsIsBounded(t *testing.T) {
	m := &memory{pools: map[int32]remembered{}}
	for no := range int32(maxRemembered + 10) {
		m.put(map[int32]*Listed{no: {}}, time.Unix(0, 0))
	}
	if n := len(m.pools); n != 10 {
		t.Errorf("%d pools remembered", n)
	}
}
