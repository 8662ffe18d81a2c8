package access_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

var here = netip.MustParseAddr("192.0.2.7")

func TestTopicGrants(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s, by := newStore(t, pool, c), audit.By{Actor: audit.CLI}
	if _, err := pool.Exec(t.Context(), `INSERT INTO node (node_id, name, status) VALUES ('node_a', 'attic-pi', 'active')`); err != nil {
		t.Fatal(err)
	}
	free, secret, err := s.CreateKey(t.Context(), by, access.NewKey{Name: "grafana", Role: access.Viewer, Expires: c.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	bound, _, err := s.CreateKey(t.Context(), by, access.NewKey{Name: "owner", Role: access.Viewer, NodeIDs: []string{"node_a"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []struct {
		key    access.Key
		filter string
		good   bool
	}{
		{free, "lucid/v1/events/+", true}, {free, "lucid/v1/events/alert", true}, {free, "lucid/v1/pools/+/summary", true}, {bound, "lucid/v1/ledger/head", true}, {free, "lucid/v1/ledger/+", false},
		{free, "lucid/v1/nodes/+/status", true}, {free, "lucid/v1/nodes/node_a/info", true},
		{free, "#", false}, {free, "lucid/v1/#", false}, {free, "lucid/v1/nodes/+/+", false}, {free, "lucid/v1/nodes/node_a/metrics", false},
		{free, "lucid/v1/nodes/+/command", false}, {free, "lucid/v1/nodes/+/poot/challenge", false}, {free, "$SYS/#", false}, {free, "a#", false},
		{bound, "lucid/v1/nodes/node_a/status", true}, {bound, "lucid/v1/nodes/node_a/info", true}, {bound, "lucid/v1/nodes/+/status", false},
		{bound, "lucid/v1/nodes/node_b/status", false}, {bound, "lucid/v1/events/+", false}, {bound, "lucid/v1/pools/+/summary", false},
		{access.Key{ID: "key_none"}, "lucid/v1/events/+", false},
	} {
		if _, err := s.GrantTopic(t.Context(), by, g.key.ID, g.filter); (err == nil) != g.good {
			t.Errorf("%s %q: %v", g.key.Name, g.filter, err)
		}
	}
	before, err := s.TopicGrants(t.Context(), free.ID)
	if err != nil || len(before) != 5 {
		t.Fatalf("%+v %v", before, err)
	}
	again, err := s.GrantTopic(t.Context(), by, free.ID, before[0].Filter)
	if err != nil || again.No != before[0].No {
		t.Errorf("the same grant again: %+v %v", again, err)
	}

	filters, err := s.AuthenticateReader(t.Context(), free.ID, []byte(secret), here)
	if err != nil || len(filters) != 5 || !slices.IsSorted(filters) {
		t.Errorf("%v %v", filters, err)
	}
	if _, err := s.AuthenticateReader(t.Context(), bound.ID, []byte(secret), here); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("another key's id: %v", err)
	}
	for _, g := range before[1:] {
		if err := s.RevokeTopic(t.Context(), by, free.ID, g.ID()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RevokeTopic(t.Context(), by, free.ID, before[1].ID()); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	live := func() map[string][]string {
		t.Helper()
		m, err := s.ReaderFilters(t.Context(), []string{free.ID, bound.ID, "key_none"})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := live(); len(m[free.ID]) != 1 || len(m[bound.ID]) != 3 || len(m) != 2 {
		t.Errorf("%v", m)
	}
	c.advance(2 * time.Hour) // the key expires
	if err := s.RevokeKey(t.Context(), by, bound.ID); err != nil {
		t.Fatal(err)
	}
	if m := live(); len(m) != 0 {
		t.Errorf("ended keys may read %v", m)
	}
	if _, err := s.AuthenticateReader(t.Context(), free.ID, []byte(secret), here); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("an expired key: %v", err)
	}
}

func TestReaderNeedsGrantsAndPatience(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s, by := newStore(t, pool, c), audit.By{Actor: audit.CLI}
	key, secret, err := s.CreateKey(t.Context(), by, access.NewKey{Name: "grafana", Role: access.Admin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AuthenticateReader(t.Context(), key.ID, []byte(secret), here); !fault.Has(err, fault.RoleTooLow) {
		t.Errorf("without grants: %v", err)
	}
	limited := false
	for range 60 {
		_, err := s.AuthenticateReader(t.Context(), key.ID, []byte("lucid_guess"), here)
		if limited = fault.Has(err, fault.RateLimited); limited {
			break
		}
		if !fault.Has(err, fault.BadCredentials) {
			t.Fatal(err)
		}
	}
	if !limited {
		t.Error("guessing is not bounded")
	}
}
