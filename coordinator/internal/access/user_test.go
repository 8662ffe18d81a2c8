package access_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

func TestAddUserNamesEveryBadField(t *testing.T) {
	s := newStore(t, dbtest.New(t), newClock())
	_, err := s.AddUser(t.Context(), bySystem, access.NewUser{Name: "a b", Email: "nobody", Role: access.Service, Password: "short"})
	if !fault.Has(err, fault.Validation) || len(fault.As(err).Fields) != 4 {
		t.Errorf("%v; want name, email, role and password", err)
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the error repeats the password: %v", err)
	}
}

func TestNamesAndAddressesAreUnique(t *testing.T) {
	s := newStore(t, dbtest.New(t), newClock())
	mustUser(t, s, "ada", access.Viewer)
	for _, n := range []access.NewUser{
		{Name: "ADA", Role: access.Viewer, Password: password},
		{Name: "eve", Email: "Ada@Example.org", Role: access.Viewer, Password: password},
	} {
		if _, err := s.AddUser(t.Context(), bySystem, n); !fault.Has(err, fault.NameTaken) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	for _, name := range []string{"bob", "cyd"} { // without an address there is nothing to be unique
		if _, err := s.AddUser(t.Context(), bySystem, access.NewUser{Name: name, Role: access.Viewer, Password: password}); err != nil {
			t.Error(err)
		}
	}
	users, total, err := s.Users(t.Context(), 2, 1)
	if err != nil || total != 3 || len(users) != 2 {
		t.Errorf("%d of %d users, %v", len(users), total, err)
	}
	if _, err := s.UserNamed(t.Context(), "dan"); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("an unknown user: %v", err)
	}
}

func TestDisabledUser(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s, other := newStore(t, pool, c), newStore(t, pool, c)
	u := mustUser(t, s, "ada", access.Admin)
	g := mustLogin(t, s, "ada")
	p, err := other.Authenticate(t.Context(), g.Token.Text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := other.Recheck(t.Context(), p); err != nil || again.Role != access.Admin {
		t.Errorf("%+v, %v", again, err)
	}
	yes, no := true, false
	u, err = s.ChangeUser(t.Context(), bySystem, u.ID, access.UserChange{Disabled: &yes})
	if err != nil || u.DisabledAt == nil {
		t.Fatalf("%+v, %v", u, err)
	}
	wantRefused(t, s, g.Token.Text)
	wantNoRefresh(t, s, g.Refresh)
	wantCaller(t, other, g.Token.Text, p)
	if _, err := other.Recheck(t.Context(), p); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("read again elsewhere: %v", err)
	}
	if _, err := s.ChangeUser(t.Context(), bySystem, u.ID, access.UserChange{Disabled: &no}); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s, g.Token.Text) // what ended stays ended
	mustLogin(t, s, "ada")
	if n := audited(t, pool, "user.update"); n != 2 {
		t.Errorf("%d changes audited", n)
	}
}

func TestChangeUser(t *testing.T) {
	s := newStore(t, dbtest.New(t), newClock())
	u := mustUser(t, s, "ada", access.Admin)
	g := mustLogin(t, s, "ada")
	empty, viewer, service, next, short := "", access.Viewer, access.Service, "another password", "short"
	u, err := s.ChangeUser(t.Context(), bySystem, u.ID, access.UserChange{Email: &empty})
	if err != nil || u.Email != "" {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := s.Authenticate(t.Context(), g.Token.Text); err != nil {
		t.Errorf("an address ends no session: %v", err)
	}
	if u, err = s.ChangeUser(t.Context(), bySystem, u.ID, access.UserChange{Role: &viewer}); err != nil || u.Role != access.Viewer {
		t.Errorf("%+v, %v", u, err)
	}
	wantRefused(t, s, g.Token.Text)
	g = mustLogin(t, s, "ada")
	if _, err := s.ChangeUser(t.Context(), bySystem, u.ID, access.UserChange{Password: &next}); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s, g.Token.Text)
	if _, err := login(t, s, "ada", password); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := login(t, s, "ada", next); err != nil {
		t.Errorf("the new password: %v", err)
	}
	for _, c := range []access.UserChange{{Role: &service}, {Password: &short}, {Email: &short}} {
		if _, err := s.ChangeUser(t.Context(), bySystem, u.ID, c); !fault.Has(err, fault.Validation) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := s.ChangeUser(t.Context(), bySystem, "user_none", access.UserChange{Role: &viewer}); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("an unknown user: %v", err)
	}
}

func waitOf(err error) time.Duration {
	soon, _ := errors.AsType[access.TooSoon](err)
	return soon.Wait
}

func TestBackoffByAccount(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	for _, name := range []string{"ada", "nobody"} { // whether it exists or not
		for range 5 {
			if _, err := login(t, s, name, "wrong"); !fault.Has(err, fault.BadCredentials) {
				t.Fatal(err)
			}
		}
		if _, err := login(t, s, name, password); !fault.Has(err, fault.RateLimited) || waitOf(err) != time.Second {
			t.Errorf("%s, sixth: %v", name, err)
		}
	}
	c.advance(time.Second)
	if _, err := login(t, s, "ada", "wrong"); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("after a second: %v", err)
	}
	if n := audited(t, pool, "user.lock"); n != 2 { // ada's; strangers cannot fill the log with names they invent
		t.Errorf("%d locks audited, want 2", n)
	}
	if u, err := s.UserNamed(t.Context(), "ada"); err != nil || u.LockedUntil == nil || !u.LockedUntil.Equal(c.now().Add(2*time.Second)) {
		t.Errorf("locked until %v, %v", u.LockedUntil, err)
	}

	// A restart forgets nothing of accounts, and still tells nothing.
	s = newStore(t, pool, c)
	if _, err := login(t, s, "ada", password); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("the right password while locked, after a restart: %v", err)
	}
	c.advance(2 * time.Second)
	mustLogin(t, s, "ada")
	if _, err := login(t, s, "ada", "wrong"); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("a good login did not forgive: %v", err)
	}
	mustLogin(t, s, "ada")
}

func TestBackoffByAddress(t *testing.T) {
	c := newClock()
	s := newStore(t, dbtest.New(t), c)
	mustUser(t, s, "ada", access.Viewer)
	for n := range 20 { // every time another name
		if _, err := login(t, s, "name-"+string(rune('a'+n)), "wrong"); !fault.Has(err, fault.BadCredentials) {
			t.Fatal(err)
		}
	}
	if _, err := login(t, s, "ada", password); !fault.Has(err, fault.RateLimited) || waitOf(err) != time.Second {
		t.Errorf("from this address: %v", err)
	}
	_, err := s.Login(t.Context(), access.Attempt{Name: "ada", Password: password, Address: netip.MustParseAddr("203.0.113.8")})
	if err != nil {
		t.Errorf("from another one: %v", err)
	}
	c.advance(time.Second)
	mustLogin(t, s, "ada")
}

// Tries at the same moment count before any of them has been judged.
func TestBackoffHoldsAgainstManyAtOnce(t *testing.T) {
	s := newStore(t, dbtest.New(t), newClock())
	mustUser(t, s, "ada", access.Viewer)
	var all sync.WaitGroup
	judged := make(chan struct{}, 20)
	for range 15 {
		all.Go(func() {
			if _, err := login(t, s, "ada", "wrong"); fault.Has(err, fault.BadCredentials) {
				judged <- struct{}{}
			} else if !fault.Has(err, fault.RateLimited) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(judged) != 5 {
		t.Errorf("%d passwords were judged at once, want 5", len(judged))
	}
}

// Mistakes of months must not add up to a lock of a quarter of an hour.
func TestBackoffForgetsWhatWasLongAgo(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	for range 24 {
		c.advance(2 * time.Hour)
		if _, err := login(t, s, "ada", "wrong"); !fault.Has(err, fault.BadCredentials) {
			t.Fatal(err)
		}
	}
	c.advance(time.Minute)
	mustLogin(t, s, "ada")
}
