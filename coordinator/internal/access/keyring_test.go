package access_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

// Two coordinators on one database go over to a new key without a token being
// refused in between.
func TestSigningKeyRotates(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	secrets := seal.NewStore(pool, seal.New(proof.Key{7})).Secret
	reload := func(s *access.Store) {
		t.Helper()
		keys, err := access.LoadSigningKeys(t.Context(), pool, secrets)
		if err == nil {
			err = s.UseSigningKeys(keys)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a, b := newStore(t, nil, c), newStore(t, nil, c)
	reload(a)
	reload(b)
	old := mustToken(t, a, caller)
	first := a.PublicKeys()
	if len(first) != 1 {
		t.Fatalf("%d public keys", len(first))
	}

	from, err := access.AddSigningKey(t.Context(), bySystem, pool, secrets, c.now())
	if err != nil || !from.Equal(c.now().Add(access.SigningLead)) {
		t.Fatalf("signs from %s, %v", from, err)
	}
	reload(a)
	if keys := a.PublicKeys(); len(keys) != 2 || !bytes.Equal(keys[0].Key, first[0].Key) {
		t.Errorf("public keys %v: the next one must be known before it signs", keys)
	}
	if _, err := b.Authenticate(t.Context(), mustToken(t, a, caller).Text); err != nil {
		t.Errorf("b does not know the new key yet, and a signs with it: %v", err)
	}
	c.advance(access.SigningLead)
	reload(b)
	last := mustToken(t, a, caller) // with the new key
	for name, text := range map[string]string{"old": old.Text, "new": last.Text} {
		if _, err := b.Authenticate(t.Context(), text); err != nil {
			t.Errorf("%s token: %v", name, err)
		}
	}
	c.advance(access.TokenLife)
	if keys := b.PublicKeys(); len(keys) != 1 || bytes.Equal(keys[0].Key, first[0].Key) {
		t.Errorf("public keys %v: the first one has had its time", keys)
	}
	if n := audited(t, pool, "signingkey.create"); n != 1 {
		t.Errorf("%d rotations audited", n)
	}
}

// Who gets hold of a key that was replaced can make no token that is taken.
func TestReplacedKeySignsNothing(t *testing.T) {
	c := newClock()
	thief, s := newStore(t, nil, c), newStore(t, nil, c)
	err := s.UseSigningKeys([]access.SigningKey{{Private: signingKey(0)}, {Private: signingKey(1), From: c.now()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), mustToken(t, thief, caller).Text); err != nil {
		t.Errorf("tokens of the key before still live: %v", err)
	}
	c.advance(access.TokenLife)
	wantRefused(t, s, mustToken(t, thief, caller).Text)
}

func TestSigningKeysAreChecked(t *testing.T) {
	s, now := newStore(t, nil, newClock()), time.Unix(1_000_000, 0)
	for name, keys := range map[string][]access.SigningKey{
		"none": nil, "short": {{Private: ed25519.PrivateKey("short")}},
		"out of order": {{Private: signingKey(0), From: now}, {Private: signingKey(1)}},
	} {
		if err := s.UseSigningKeys(keys); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := access.NewStore(access.Config{}); err == nil {
		t.Error("a store without a key is made")
	}
}

// counted opens a pool of which every query is counted.
func counted(t *testing.T) (*pgxpool.Pool, *queries) {
	t.Helper()
	config := dbtest.New(t).Config()
	n := &queries{}
	config.ConnConfig.Tracer = n
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, n
}

// What authentication costs the database: nothing for a token, one look-up now
// and then for a key, one for a call that reads the user again.
func TestQueriesOfAuthentication(t *testing.T) {
	pool, n := counted(t)
	c := newClock()
	s := newStore(t, pool, c)
	_, secret := mustKey(t, s, access.Admin, time.Time{})
	mustUser(t, s, "ada", access.Admin)
	token := mustLogin(t, s, "ada").Token.Text
	fresh := newStore(t, pool, c) // it remembers nothing
	var p access.Principal
	authenticate := func(credential string) func() {
		return func() {
			var err error
			if p, err = fresh.Authenticate(t.Context(), credential); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want int64
	}{
		{"a token, first", authenticate(token), 0},
		{"a token, again", authenticate(token), 0},
		{"its user read again", func() {
			if _, err := fresh.Recheck(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"a key, first", authenticate(secret), 1},
		{"a key, again", authenticate(secret), 0},
		{"a key, 30 s later", func() { c.advance(30 * time.Second); authenticate(secret)() }, 1},
		{"nonsense", func() { wantRefused(t, fresh, "nonsense") }, 0},
	} {
		before := n.Load()
		step.do()
		if got := n.Load() - before; got != step.want {
			t.Errorf("%s: %d queries, want %d", step.name, got, step.want)
		}
	}
}

func TestBoundKey(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	_, err := pool.Exec(t.Context(), `INSERT INTO node (node_id, name, status) VALUES ('node_a', 'node-a', 'active'), ('node_b', 'node-b', 'active')`)
	if err != nil {
		t.Fatal(err)
	}
	n := access.NewKey{Name: "owner", Role: access.Viewer, NodeIDs: []string{"node_b", "node_a", "node_b"}}
	key, secret, err := s.CreateKey(t.Context(), bySystem, n)
	if err != nil {
		t.Fatal(err)
	}
	want := access.Principal{Kind: access.ByKey, ID: key.ID, Role: access.Viewer, NodeIDs: []string{"node_a", "node_b"}}
	wantCaller(t, s, secret, want)
	token := mustToken(t, s, want) // a token is bound as its key is
	want.Kind, want.Until = access.ByToken, token.Expires
	wantCaller(t, newStore(t, pool, c), token.Text, want)

	many := make([]string, 101)
	for name, bad := range map[string]access.NewKey{
		"unknown node":   {Name: "owner", Role: access.Viewer, NodeIDs: []string{"node_a", "node_c"}},
		"admin":          {Name: "owner", Role: access.Admin, NodeIDs: []string{"node_a"}},
		"service":        {Name: "owner", Role: access.Service, NodeIDs: []string{"node_a"}},
		"too many nodes": {Name: "owner", Role: access.Viewer, NodeIDs: many},
	} {
		if _, _, err := s.CreateKey(t.Context(), bySystem, bad); !fault.Has(err, fault.Validation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if created := audited(t, pool, "apikey.create"); created != 1 {
		t.Errorf("%d keys audited", created)
	}
}
