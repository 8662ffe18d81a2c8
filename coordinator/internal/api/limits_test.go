package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/limit"
)

func limited(l Limits) func(*Config) { return func(c *Config) { c.Limits = l } }

func from(address string, edits ...func(*http.Request)) func(*http.Request) {
	return func(r *http.Request) {
		r.RemoteAddr = address
		for _, edit := range edits {
			edit(r)
		}
	}
}

// wantRate checks the numbers that an answer tells; "" for a field that must
// not be there.
func wantRate(t *testing.T, a answerOf, limit, remaining, reset, retry string) {
	t.Helper()
	for name, want := range map[string]string{
		"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, "RateLimit-Reset": reset, "Retry-After": retry,
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%d: %s is %q, want %q", a.StatusCode, name, got, want)
		}
	}
}

func TestTiers(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 3, User: 4, Service: 6}))
	for role, limit := range map[access.Role]int{access.Viewer: 4, access.Operator: 4, access.Service: 6, access.Admin: 6} {
		for i := range limit {
			a := w.send(http.MethodGet, nodesPath, "", as(w.keys[role]))
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s, request %d of %d: %d %s", role, i+1, limit, a.StatusCode, a.body)
			}
			wantRate(t, a, strconv.Itoa(limit), strconv.Itoa(limit-i-1), strconv.Itoa((i+1)*60/limit), "")
		}
		a := w.send(http.MethodGet, nodesPath, "", as(w.keys[role]))
		w.wantError(a, http.StatusTooManyRequests, "LUCID_ERR_3001")
		wait := strconv.Itoa(60 / limit)
		wantRate(t, a, strconv.Itoa(limit), "0", wait, wait)
	}
	w.advance(15 * time.Second)
	if a := w.send(http.MethodGet, nodesPath, "", as(w.keys[access.Viewer])); a.StatusCode != http.StatusOK {
		t.Errorf("after Retry-After: %d %s", a.StatusCode, a.body)
	}
	for i := range 3 {
		wantRate(t, w.send(http.MethodGet, "/version", "", nil), "3", strconv.Itoa(2-i), strconv.Itoa(20*(i+1)), "")
	}
	w.wantError(w.send(http.MethodGet, "/version", "", nil), http.StatusTooManyRequests, "LUCID_ERR_3001")
}

func TestZeroLimitsNobody(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		for _, key := range []string{w.keys[access.Viewer], w.keys[access.Admin], "nonsense"} {
			a := w.send(http.MethodGet, nodesPath, "", as(key))
			if a.StatusCode == http.StatusTooManyRequests {
				t.Fatal("limited")
			}
			wantRate(t, a, "", "", "", "")
		}
	}
}

// All of a key's tokens are its owner's: another token gives no more requests.
func TestTokensShareTheirOwnersLimit(t *testing.T) {
	w := newWorld(t, limited(Limits{User: 2}))
	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer]))
	var token tokenBody
	w.decode(a.body, &token)
	if a := w.send(http.MethodGet, nodesPath, "", as(token.AccessToken)); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	for _, credential := range []string{token.AccessToken, w.keys[access.Viewer]} {
		w.wantError(w.send(http.MethodGet, nodesPath, "", as(credential)), http.StatusTooManyRequests, "LUCID_ERR_3001")
	}
	if a := w.send(http.MethodGet, nodesPath, "", as(w.keys[access.Operator])); a.StatusCode != http.StatusOK {
		t.Errorf("another key: %d", a.StatusCode)
	}
}

// Whatever is asked without a good credential counts against its address.
func TestAddressesAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		method, path, credential string
		status                   int
	}{
		"none":      {http.MethodGet, nodesPath, "", 401},
		"bad":       {http.MethodGet, nodesPath, "Bearer nonsense", 401},
		"malformed": {http.MethodGet, nodesPath, "Basic YTpi", 401},
		"no route":  {http.MethodGet, "/nothing", "", 404},
		"no method": {http.MethodDelete, nodesPath, "", 405},
		"page":      {http.MethodGet, "/docs", "", 200},
		"document":  {http.MethodGet, "/openapi.json", "", 200},
		"enrolment": {http.MethodPost, "/api/v1/enroll", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, limited(Limits{Anonymous: 2, User: 10}))
			ask := func(address string) answerOf {
				return w.send(c.method, c.path, "", from(address, func(r *http.Request) {
					if c.credential != "" {
						r.Header.Set("Authorization", c.credential)
					}
				}))
			}
			for range 2 {
				if a := ask("[2001:db8::1]:1000"); a.StatusCode != c.status {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
			}
			a := ask("[2001:db8::ffff:1]:2000") // of the same network
			w.wantError(a, http.StatusTooManyRequests, "LUCID_ERR_3001")
			wantRate(t, a, "2", "0", "30", "30")
			if a := ask("[2001:db8:0:1::1]:1000"); a.StatusCode != c.status {
				t.Errorf("another network: %d %s", a.StatusCode, a.body)
			}
			w.advance(30 * time.Second)
			if a := ask("[2001:db8::1]:1000"); a.StatusCode != c.status {
				t.Errorf("after Retry-After: %d %s", a.StatusCode, a.body)
			}
		})
	}
}

// Who holds a whole IPv6 site does not get an allowance for each of its 65,536
// networks.
func TestNetworksOfOneSiteShareALargerAllowance(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 2, User: 9, Service: 9}))
	ask := func(address string) answerOf { return w.send(http.MethodGet, "/version", "", from(address)) }
	for i := range 2 * limit.SiteNetworks {
		if a := ask(fmt.Sprintf("[2001:db8:0:%x::1]:1000", i)); a.StatusCode != http.StatusOK {
			t.Fatalf("network %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	w.wantError(ask("[2001:db8:0:ffff::1]:1000"), http.StatusTooManyRequests, "LUCID_ERR_3001")
	for _, other := range []string{"[2001:db8:1::1]:1000", "192.0.2.1:1000", "192.0.2.2:1000"} {
		if a := ask(other); a.StatusCode != http.StatusOK {
			t.Errorf("another site, %s: %d %s", other, a.StatusCode, a.body)
		}
	}
	w.advance(time.Minute)
	if a := ask("[2001:db8:0:ffff::1]:1000"); a.StatusCode != http.StatusOK {
		t.Errorf("a minute later: %d %s", a.StatusCode, a.body)
	}
}

// Nor are its keys looked up for each of them.
func TestGuessesFromOneSiteAreHeldBack(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 1, User: 100}))
	guess := func(network int) answerOf {
		key := fmt.Sprintf("lucid_%064x", network)
		return w.send(http.MethodGet, nodesPath, "", from(fmt.Sprintf("[2001:db8:0:%x::1]:1000", network), as(key)))
	}
	for i := range limit.SiteNetworks {
		w.wantError(guess(i), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
	a := guess(0xffff)
	w.wantError(a, http.StatusTooManyRequests, "LUCID_ERR_3001")
	if !strings.Contains(string(a.body), "from this network of 48 bits with API keys that are not good") {
		t.Errorf("%s", a.body)
	}
}

// Whatever an address has spent on requests without a credential, a good one
// from there passes, also one that was never seen: it may be a neighbour's
// behind the same router.
func TestGoodCredentialsPassBehindABusyAddress(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 2, User: 100}))
	for i := range 3 {
		w.send(http.MethodGet, "/version", "", nil)
		if i == 2 {
			w.wantError(w.send(http.MethodGet, nodesPath, "", as("no.such.token")), http.StatusTooManyRequests, "LUCID_ERR_3001")
		}
	}
	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Operator]))
	var token tokenBody
	w.decode(a.body, &token)
	for name, credential := range map[string]string{"key": w.keys[access.Viewer], "token": token.AccessToken} {
		if a := w.send(http.MethodGet, nodesPath, "", as(credential)); a.StatusCode != http.StatusOK {
			t.Errorf("a %s that was never seen: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// Who guesses keys is stopped before one is looked up, also when it guesses
// right; a neighbour at the same address who is known goes on, and so does a
// token, which costs no query.
func TestGuessesAreHeldBack(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 2, User: 100}))
	guess := "lucid_" + strings.Repeat("0", 64)
	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer]))
	var token tokenBody
	w.decode(a.body, &token)
	for range 2 {
		w.wantError(w.send(http.MethodGet, nodesPath, "", as(guess)), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
	_, fresh, err := w.Access.CreateKey(t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "fresh", Role: access.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	for _, unseen := range []string{guess, fresh} {
		a := w.send(http.MethodGet, nodesPath, "", as(unseen))
		w.wantError(a, http.StatusTooManyRequests, "LUCID_ERR_3001")
		wantRate(t, a, "2", "0", "30", "30")
	}
	for name, credential := range map[string]string{"key": w.keys[access.Viewer], "token": token.AccessToken} {
		if a := w.send(http.MethodGet, nodesPath, "", as(credential)); a.StatusCode != http.StatusOK {
			t.Errorf("a known neighbour's %s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := w.send(http.MethodGet, nodesPath, "", from("192.0.2.9:1", as(fresh))); a.StatusCode != http.StatusOK {
		t.Errorf("the same key from elsewhere: %d %s", a.StatusCode, a.body)
	}
	w.advance(30 * time.Second)
	if a := w.send(http.MethodGet, nodesPath, "", as(fresh)); a.StatusCode != http.StatusOK {
		t.Errorf("after Retry-After: %d %s", a.StatusCode, a.body)
	}
}

// Only an API key that was not seen a short while ago costs a query.
func TestTokensNeedNoLookup(t *testing.T) {
	w := newWorld(t)
	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer]))
	var token tokenBody
	w.decode(a.body, &token)
	for credential, want := range map[string]bool{
		token.AccessToken: false, w.keys[access.Viewer]: false, "lucid_short": false, "nonsense": false, "lucid_" + strings.Repeat("0", 64): true,
	} {
		if got := w.Access.NeedsLookup(credential); got != want {
			t.Errorf("%.12s... needs a look-up: %v", credential, got)
		}
	}
}

func TestProbesAreNeverLimited(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 1}))
	for range 10 {
		for _, path := range []string{"/health", "/ready", "/metrics"} {
			if a := w.send(http.MethodGet, path, "", nil); a.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	}
}

func TestRemoteAddress(t *testing.T) {
	s := &server{Config: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"}, // a stranger's word
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[fd00::1%eth0]:1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.2.2.2"}, "198.51.100.1"}, // the first is made up
		{"10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1", "10.2.2.2"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"10.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"[2001:db8::5]:4711"}, "2001:db8::5"},
		{"10.0.0.1:1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"10.0.0.1:1", []string{"198.51.100.1, unknown, 10.2.2.2"}, "10.2.2.2"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"pipe", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := s.remoteOf(r); got.String() != c.want {
			t.Errorf("%s forwarding %q comes from %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// What a proxy says decides who is counted and what stands in the log.
func TestRemoteAddressIsUsed(t *testing.T) {
	w := newWorld(t, limited(Limits{Anonymous: 1}), func(c *Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	behind := func(client string) func(*http.Request) {
		return from("10.0.0.1:1", func(r *http.Request) { r.Header.Set("X-Forwarded-For", client) })
	}
	for client, want := range map[string]int{"198.51.100.1": 200, "198.51.100.2": 200} {
		if a := w.send(http.MethodGet, "/version", "", behind(client)); a.StatusCode != want {
			t.Errorf("%s: %d", client, a.StatusCode)
		}
	}
	w.wantError(w.send(http.MethodGet, "/version", "", behind("198.51.100.2")), http.StatusTooManyRequests, "LUCID_ERR_3001")
	if !strings.Contains(w.log.String(), `"remote":"198.51.100.2"`) {
		t.Errorf("the log lacks the client's address:\n%s", w.log)
	}
}

func TestPrivateThroughProxies(t *testing.T) {
	s := &server{Config: Config{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}}}
	for _, c := range []struct {
		remote, scheme string
		want           bool
	}{
		{"192.0.2.1:1", "", false},
		{"192.0.2.1:1", "https", false}, // a stranger's word
		{"10.0.0.1:1", "", false},
		{"10.0.0.1:1", "https", true},
		{"10.0.0.1:1", "http", false},
		{"127.0.0.1:1", "", true},
		{"127.0.0.1:1", "http", false},
		{"[::1]:1", "http", true}, // no proxy
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.scheme != "" {
			r.Header.Set("X-Forwarded-Proto", c.scheme)
		}
		if got := s.isPrivate(r); got != c.want {
			t.Errorf("%s saying %q: private %v", c.remote, c.scheme, got)
		}
	}
}
