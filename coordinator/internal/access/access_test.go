package access_test

import (
	"context"
	"crypto/ed25519"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

var bySystem = audit.By{Actor: audit.System}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func signingKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
}

func newStore(t testing.TB, pool *db.Pool, c *clock) *access.Store {
	t.Helper()
	s, err := access.NewStore(access.Config{Pool: pool, SigningKey: signingKey(0), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustKey(t testing.TB, s *access.Store, role access.Role, expires time.Time) (access.Key, string) {
	t.Helper()
	key, secret, err := s.CreateKey(t.Context(), bySystem, access.NewKey{Name: "test-key", Role: role, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return key, secret
}

func wantRefused(t testing.TB, s *access.Store, credential string) {
	t.Helper()
	if p, err := s.Authenticate(context.Background(), credential); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("credential gives %+v, %v; want BadCredentials", p, err)
	} else if credential != "" && strings.Contains(err.Error(), credential) {
		t.Errorf("the error repeats the credential: %v", err)
	}
}

func wantCaller(t testing.TB, s *access.Store, credential string, want access.Principal) {
	t.Helper()
	got, err := s.Authenticate(context.Background(), credential)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("credential gives %+v, %v; want %+v", got, err, want)
	}
}

func TestRoles(t *testing.T) {
	rises := []access.Role{"nobody", access.Viewer, access.Operator, access.Admin}
	for i, has := range rises {
		for j, needed := range rises {
			if got, want := has.Covers(needed), i > 0 && j > 0 && i >= j; got != want {
				t.Errorf("%s covers %s: %v, want %v", has, needed, got, want)
			}
		}
	}
	if !access.Service.Covers(access.Operator) || access.Service.Covers(access.Admin) {
		t.Error("a service has the rights of an operator, no more and no less")
	}
}

func TestKeyLife(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	key, secret := mustKey(t, s, access.Operator, c.now().Add(time.Hour))

	wantCaller(t, s, secret, access.Principal{Kind: access.ByKey, ID: key.ID, Role: access.Operator, Until: c.now().Add(time.Hour)})
	wantRefused(t, s, secret[:len(secret)-1])
	wantRefused(t, s, secret+"0")
	wantRefused(t, s, strings.ToUpper(secret))
	wantRefused(t, s, "lucid_"+strings.Repeat("0", 64))
	wantRefused(t, s, "")

	c.advance(time.Hour)
	wantRefused(t, s, secret)
}

func TestKeyIsNowhereInTheDatabase(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	key, secret := mustKey(t, s, access.Viewer, time.Time{})

	var row string
	if err := pool.QueryRow(t.Context(), "SELECT k::text FROM api_key k").Scan(&row); err != nil {
		t.Fatal(err)
	}
	hidden := strings.TrimPrefix(secret, key.Prefix)
	if len(hidden) < 50 || strings.Contains(row, hidden) {
		t.Errorf("the row %s holds the key", row)
	}
	if !strings.Contains(row, key.Prefix) {
		t.Errorf("the row %s lacks the prefix %s", row, key.Prefix)
	}
}

func TestCreateKeyNamesEveryBadField(t *testing.T) {
	c := newClock()
	s := newStore(t, dbtest.New(t), c)
	_, _, err := s.CreateKey(t.Context(), bySystem, access.NewKey{Name: "a b", Role: "root", Expires: c.now()})
	if !fault.Has(err, fault.Validation) || len(fault.As(err).Fields) != 3 {
		t.Errorf("got %v with fields %v; want name, role and expires_at", err, fault.As(err).Fields)
	}
}

func TestRevokedKeyEndsEverywhere(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s, other := newStore(t, pool, c), newStore(t, pool, c)
	key, secret := mustKey(t, s, access.Admin, time.Time{})
	p, err := s.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Exchange(p)
	if err != nil {
		t.Fatal(err)
	}
	wantCaller(t, other, secret, p)
	wantCaller(t, s, token.Text, access.Principal{Kind: access.ByToken, ID: key.ID, Role: access.Admin, Until: token.Expires})

	for range 2 { // again changes nothing
		if err := s.RevokeKey(t.Context(), bySystem, key.ID); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, s, secret)
	wantRefused(t, s, token.Text)

	wantCaller(t, other, secret, p) // it looked a moment ago
	c.advance(30 * time.Second)
	wantRefused(t, other, secret)

	keys, _, err := s.Keys(t.Context(), 100, 0)
	if err != nil || len(keys) != 1 || keys[0].RevokedAt == nil || !keys[0].RevokedAt.Equal(newClock().now()) {
		t.Errorf("keys are %+v, %v; want one, revoked at the first call", keys, err)
	}
	if err := s.RevokeKey(t.Context(), bySystem, "key_none"); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("revoking an unknown key gives %v", err)
	}
}

func TestGoodKeyIsNotLookedUpAgain(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	key, secret := mustKey(t, s, access.Viewer, time.Time{})
	want := access.Principal{Kind: access.ByKey, ID: key.ID, Role: access.Viewer}
	wantCaller(t, s, secret, want)
	pool.Close() // any further query fails
	wantCaller(t, s, secret, want)
	c.advance(30 * time.Second)
	if _, err := s.Authenticate(t.Context(), secret); err == nil || fault.Has(err, fault.BadCredentials) {
		t.Errorf("with the database gone an unknown key gives %v; want an error that is not the caller's", err)
	}
}
