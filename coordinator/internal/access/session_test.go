package access_test

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

const password = "correct horse battery"

func mustUser(t testing.TB, s *access.Store, name string, role access.Role) access.User {
	t.Helper()
	u, err := s.AddUser(t.Context(), bySystem, access.NewUser{Name: name, Email: name + "@example.org", Role: role, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func login(t testing.TB, s *access.Store, name, password string) (access.Grant, error) {
	t.Helper()
	return s.Login(t.Context(), access.Attempt{Name: name, Password: password, Address: netip.MustParseAddr("203.0.113.7"), RequestID: "request-1"})
}

func mustLogin(t testing.TB, s *access.Store, name string) access.Grant {
	t.Helper()
	g, err := login(t, s, name, password)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustRefresh(t testing.TB, s *access.Store, refresh string) access.Grant {
	t.Helper()
	g, err := s.Refresh(t.Context(), refresh, "request-2")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func wantNoRefresh(t testing.TB, s *access.Store, refresh string) {
	t.Helper()
	if _, err := s.Refresh(t.Context(), refresh, ""); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("refresh gives %v, want BadCredentials", err)
	}
}

// audited counts the entries of an action.
func audited(t testing.TB, pool *db.Pool, action string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE action = $1", action).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLogin(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	u := mustUser(t, s, "ada", access.Operator)
	g, err := login(t, s, "ADA", password) // names are found in any case
	if err != nil {
		t.Fatal(err)
	}
	if want := c.now().Add(15 * time.Minute); !g.Token.Expires.Equal(want) || g.Role != access.Operator {
		t.Errorf("the token ends at %s with role %s", g.Token.Expires, g.Role)
	}
	p, err := s.Authenticate(t.Context(), g.Token.Text)
	if err != nil || p.Kind != access.ByLogin || p.ID != u.ID || p.Role != access.Operator || p.Session == "" || p.NodeIDs != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.Exchange(p); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("a login's token makes tokens: %v", err)
	}
	wantRefused(t, s, g.Refresh) // it is no credential
	var rows string
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT string_agg(u::text, ' ') FROM access_user u) || (SELECT string_agg(r::text, ' ') FROM refresh_token r)
		|| (SELECT string_agg(a::text, ' ') FROM audit_entry a)`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, g.Refresh, g.Token.Text, strings.TrimPrefix(g.Refresh, "lucidr_")} {
		if strings.Contains(rows, secret) {
			t.Errorf("the database holds %q", secret)
		}
	}
	if n := audited(t, pool, "user.login"); n != 1 {
		t.Errorf("%d logins audited", n)
	}
	if u, err = s.UserNamed(t.Context(), u.Name); err != nil || u.LastLoginAt == nil || !u.LastLoginAt.Equal(c.now()) {
		t.Errorf("last login %v, %v", u.LastLoginAt, err)
	}
}

// Every login that fails gets one answer.
func TestLoginThatFails(t *testing.T) {
	s := newStore(t, dbtest.New(t), newClock())
	mustUser(t, s, "ada", access.Viewer)
	off := mustUser(t, s, "gone", access.Admin)
	disabled := true
	if _, err := s.ChangeUser(t.Context(), bySystem, off.ID, access.UserChange{Disabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for name, c := range map[string][2]string{
		"wrong password": {"ada", "something else"}, "unknown": {"nobody", password}, "disabled": {"gone", password},
		"odd name": {"a\x00b'--", password}, "no password": {"ada", ""},
	} {
		_, err := login(t, s, c[0], c[1])
		if !fault.Has(err, fault.BadCredentials) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answers[err.Error()] = true
	}
	if len(answers) != 1 {
		t.Errorf("answers differ: %v", answers)
	}
}

func TestRefreshRotates(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	first := mustLogin(t, s, "ada")
	c.advance(16 * time.Minute)
	wantRefused(t, s, first.Token.Text)
	second := mustRefresh(t, s, first.Refresh)
	if second.Refresh == first.Refresh || second.Role != access.Viewer {
		t.Errorf("%+v", second)
	}
	third := mustRefresh(t, s, second.Refresh)
	p, err := s.Authenticate(t.Context(), third.Token.Text)
	if err != nil {
		t.Fatal(err)
	}
	other := newStore(t, pool, c) // another coordinator

	// The first token comes again: somebody copied it.
	wantNoRefresh(t, s, first.Refresh)
	wantNoRefresh(t, s, third.Refresh)
	wantRefused(t, s, third.Token.Text)
	if n := audited(t, pool, "session.reuse"); n != 1 {
		t.Errorf("%d reuses audited, want 1: the session was over at the second", n)
	}
	wantCaller(t, other, third.Token.Text, p) // no query for a token; at most 15 minutes
	if _, err := other.Recheck(t.Context(), p); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("money and admin calls are still open elsewhere: %v", err)
	}
	mustLogin(t, s, "ada") // the user's other logins are not touched
}

// Of many uses of one refresh token at the same moment one at most wins, and
// the session is over in any case.
func TestRefreshRace(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	g := mustLogin(t, s, "ada")
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.Refresh(t.Context(), g.Refresh, ""); err == nil {
				won.Add(1)
			} else if !fault.Has(err, fault.BadCredentials) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var reason string
	if err := pool.QueryRow(t.Context(), "SELECT end_reason FROM login_session").Scan(&reason); err != nil || won.Load() != 1 || reason != "reuse" {
		t.Errorf("%d won, the session ended by %q, %v", won.Load(), reason, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	g := mustLogin(t, s, "ada")
	if want := c.now().Add(14 * 24 * time.Hour); !g.RefreshExpires.Equal(want) {
		t.Errorf("refresh ends at %s, want %s", g.RefreshExpires, want)
	}
	c.advance(14 * 24 * time.Hour)
	wantNoRefresh(t, s, g.Refresh)

	g = mustLogin(t, s, "ada")
	began := c.now()
	for c.now().Before(began.Add(80 * 24 * time.Hour)) {
		c.advance(10 * 24 * time.Hour)
		g = mustRefresh(t, s, g.Refresh)
	}
	if want := began.Add(90 * 24 * time.Hour); !g.RefreshExpires.Equal(want) {
		t.Errorf("after 80 days the session ends at %s, want %s", g.RefreshExpires, want)
	}
	c.advance(10 * 24 * time.Hour)
	wantNoRefresh(t, s, g.Refresh)
	if err := s.RemoveExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM login_session) + (SELECT count(*) FROM refresh_token)").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows left, %v", left, err)
	}
}

func TestLogout(t *testing.T) {
	pool, c := dbtest.New(t), newClock()
	s := newStore(t, pool, c)
	mustUser(t, s, "ada", access.Viewer)
	g, kept := mustLogin(t, s, "ada"), mustLogin(t, s, "ada")
	for _, refresh := range []string{g.Refresh, g.Refresh, "lucidr_" + strings.Repeat("0", 64), "", "nonsense"} {
		if err := s.Logout(t.Context(), refresh, ""); err != nil {
			t.Errorf("%.10s: %v", refresh, err)
		}
	}
	wantRefused(t, s, g.Token.Text)
	wantNoRefresh(t, s, g.Refresh)
	mustRefresh(t, s, kept.Refresh)
	if n := audited(t, pool, "user.logout"); n != 2 { // also the one that ended nothing any more
		t.Errorf("%d logouts audited", n)
	}
}

// FuzzRefresh holds that no text but the ones given is taken.
func FuzzRefresh(f *testing.F) {
	c := newClock()
	s := newStore(f, dbtest.New(f), c)
	mustUser(f, s, "ada", access.Viewer)
	f.Add(mustLogin(f, s, "ada").Refresh[1:])
	f.Add("lucidr_" + strings.Repeat("0", 64))
	f.Add("lucidr_" + strings.Repeat("\x00", 64))
	f.Add("lucidr_" + strings.Repeat("\xff", 64))
	f.Fuzz(func(t *testing.T, text string) {
		wantNoRefresh(t, s, text)
		if err := s.Logout(t.Context(), text, ""); err != nil {
			t.Error(err)
		}
	})
}
