package api

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
)

const (
	tokenPath   = "/api/v1/auth/token"
	refreshPath = "/api/v1/auth/refresh"
	logoutPath  = "/api/v1/auth/logout"
	password    = "correct horse battery"
)

func (w *world) addUser(name string, role access.Role) access.User {
	w.t.Helper()
	u, err := w.Access.AddUser(w.t.Context(), audit.By{Actor: audit.CLI}, access.NewUser{Name: name, Role: role, Password: password})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func loginOf(name, password string) string {
	return `{"name":"` + name + `","password":"` + password + `"}`
}

// token reads the answer to a login or a refresh, which must be good.
func (w *world) token(a answerOf) (token tokenBody) {
	w.t.Helper()
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.decode(a.body, &token)
	return token
}

func (w *world) login(name string) tokenBody {
	w.t.Helper()
	return w.token(w.send(http.MethodPost, tokenPath, loginOf(name, password), nil))
}

func TestLoginRefreshLogout(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Operator)
	first := w.login("ada")
	if first.Role != "operator" || first.ExpiresIn != 900 || first.RefreshToken == nil || !first.RefreshExpiresAt.Equal(w.now().Add(14*24*time.Hour)) {
		t.Errorf("%+v", first)
	}
	read := func(token tokenBody) answerOf { return w.send(http.MethodGet, anyPath, "", as(token.AccessToken)) }
	if a := read(first); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.wantError(w.send(http.MethodPost, tokenPath, "", as(first.AccessToken)), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.advance(15 * time.Minute)
	w.wantError(read(first), http.StatusUnauthorized, "LUCID_ERR_2002")

	refresh := func(of tokenBody) answerOf {
		return w.send(http.MethodPost, refreshPath, `{"refresh_token":"`+*of.RefreshToken+`"}`, nil)
	}
	second := w.token(refresh(first))
	if a := read(second); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.wantError(refresh(first), http.StatusUnauthorized, "LUCID_ERR_2002") // copied: all of it ends
	w.wantError(refresh(second), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.wantError(read(second), http.StatusUnauthorized, "LUCID_ERR_2002")

	third := w.login("ada")
	for range 2 {
		if a := w.send(http.MethodPost, logoutPath, `{"refresh_token":"`+*third.RefreshToken+`"}`, nil); a.StatusCode != http.StatusNoContent || len(a.body) != 0 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	w.wantError(read(third), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.wantError(refresh(third), http.StatusUnauthorized, "LUCID_ERR_2002")
}

func TestLoginsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Viewer)
	for name, c := range map[string]struct {
		body   string
		edit   func(*http.Request)
		status int
		code   string
	}{
		"wrong password":   {loginOf("ada", "something else"), nil, 401, "LUCID_ERR_2002"},
		"unknown":          {loginOf("nobody", password), nil, 401, "LUCID_ERR_2002"},
		"nothing":          {"", nil, 401, "LUCID_ERR_2001"},
		"null":             {"null", nil, 422, "LUCID_ERR_1002"},
		"no password":      {`{"name":"ada"}`, nil, 422, "LUCID_ERR_1002"},
		"unknown field":    {`{"name":"ada","password":"` + password + `","role":"admin"}`, nil, 422, "LUCID_ERR_1002"},
		"not JSON":         {"name=ada", nil, 400, "LUCID_ERR_1001"},
		"a key as well":    {loginOf("ada", password), as(w.keys[access.Viewer]), 401, "LUCID_ERR_2002"},
		"a bad key":        {"", as("lucid_" + strings.Repeat("0", 64)), 401, "LUCID_ERR_2002"},
		"huge":             {loginOf("ada", strings.Repeat("a", 10<<10)), nil, 413, "LUCID_ERR_1003"},
		"over-long":        {loginOf("ada", strings.Repeat("a", 201)), nil, 422, "LUCID_ERR_1002"},
		"a zero character": {loginOf(`a\u0000da`, password), nil, 401, "LUCID_ERR_2002"},
	} {
		t.Run(name, func(t *testing.T) { w.wantError(w.send(http.MethodPost, tokenPath, c.body, c.edit), c.status, c.code) })
	}
	if strings.Contains(w.log.String(), password) {
		t.Error("the log holds a password")
	}
}

func TestLoginBackoff(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Viewer)
	for range 5 {
		w.wantError(w.send(http.MethodPost, tokenPath, loginOf("ada", "wrong"), nil), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
	a := w.send(http.MethodPost, tokenPath, loginOf("ada", password), nil)
	w.wantError(a, http.StatusTooManyRequests, "LUCID_ERR_3001")
	if after := a.Header.Get("Retry-After"); after != "1" {
		t.Errorf("Retry-After is %q", after)
	}
	w.advance(time.Second)
	w.login("ada")
}

// Anybody can check our tokens by the published keys, with no code of ours.
func TestJWKS(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Viewer)
	a := w.send(http.MethodGet, "/.well-known/jwks.json", "", nil)
	var set jwksBody
	w.decode(a.body, &set)
	if a.Header.Get("Cache-Control") != "public, max-age=60" || len(set.Keys) != 1 {
		t.Fatalf("%v %s", a.Header, a.body)
	}
	parts := strings.Split(w.login("ada").AccessToken, ".")
	var header struct{ Alg, Kid string }
	raw, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if err := json.Unmarshal(raw, &header); err != nil || header.Kid != set.Keys[0].Kid || header.Alg != set.Keys[0].Alg {
		t.Errorf("header %s, keys %s", raw, a.body)
	}
	x, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	if err != nil {
		t.Fatal(err)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if !ed25519.Verify(x, []byte(parts[0]+"."+parts[1]), signature) {
		t.Error("the published key does not verify the token")
	}
	if strings.Contains(string(a.body), `"d"`) {
		t.Errorf("a private key is published: %s", a.body)
	}
}

// Another coordinator has disabled the user: admin calls end at once, others
// with the token.
func TestAdminCallsReadTheUserAgain(t *testing.T) {
	for name, change := range map[string]string{
		"disabled":      "UPDATE access_user SET disabled_at = now()",
		"session ended": "UPDATE login_session SET ended_at = now(), end_reason = 'logout'",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.addUser("ada", access.Admin)
			token := w.login("ada").AccessToken
			admin := func() answerOf { return w.send(http.MethodGet, "/api/v1/users", "", as(token)) }
			if a := admin(); a.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if _, err := w.db.Exec(t.Context(), change); err != nil {
				t.Fatal(err)
			}
			w.wantError(admin(), http.StatusUnauthorized, "LUCID_ERR_2002")
			if a := w.send(http.MethodGet, anyPath, "", as(token)); a.StatusCode != http.StatusOK {
				t.Errorf("a viewer's call: %d %s", a.StatusCode, a.body)
			}
			w.advance(15 * time.Minute)
			w.wantError(w.send(http.MethodGet, anyPath, "", as(token)), http.StatusUnauthorized, "LUCID_ERR_2002")
		})
	}
	w := newWorld(t)
	w.addUser("ada", access.Admin)
	token := w.login("ada").AccessToken
	if _, err := w.db.Exec(t.Context(), "UPDATE access_user SET role = 'viewer'"); err != nil {
		t.Fatal(err)
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/users", "", as(token)), http.StatusForbidden, "LUCID_ERR_2003")
}

// So do calls that move money or say where it goes.
func TestMoneyCallsReadTheUserAgain(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Operator)
	n := w.enrol("attic-pi", "")
	w.createPool("pool_home", 0)
	token := w.login("ada").AccessToken
	if _, err := w.db.Exec(t.Context(), "UPDATE access_user SET disabled_at = now()"); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{http.MethodPost, "/api/v1/nodes/", `{"name":"new-pi","node_type":"worker"}`},
		{http.MethodPut, "/api/v1/nodes/" + n.ID, `{"payout_address":"` + payoutAddress + `"}`},
		{http.MethodPost, "/api/v1/nodes/pools/", `{"name":"new-pool"}`},
		{http.MethodPut, "/api/v1/nodes/pools/pool_home", `{"description":"mine"}`},
		{http.MethodPost, "/api/v1/nodes/pools/pool_home/nodes", `{"node_id":"` + n.ID + `"}`},
		{http.MethodDelete, "/api/v1/nodes/pools/pool_home/nodes/" + n.ID, ""},
		{http.MethodPost, "/api/v1/nodes/pools/pool_home/scale", `{"target_nodes":1,"reason":"mine"}`},
		{http.MethodPost, "/api/v1/nodes/pools/balance", `{"moves":[]}`},
		{http.MethodPost, "/api/v1/nodes/" + n.ID + "/start", ""},
		{http.MethodPost, "/api/v1/nodes/" + n.ID + "/stop", ""},
	} {
		w.wantError(w.send(c[0], c[1], c[2], as(token)), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
}

// tally is a tracer that counts queries.
type tally struct{ atomic.Int64 }

// TraceQueryStart counts one.
func (n *tally) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	n.Add(1)
	return ctx
}

// TraceQueryEnd does nothing.
func (*tally) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// What a request's authentication asks of the database, through the whole
// handler: the operations themselves ask nothing.
func TestQueriesOfRequests(t *testing.T) {
	n := &tally{}
	w := newWorld(t, func(c *Config) {
		config := dbtest.New(t).Config()
		config.ConnConfig.Tracer = n
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		c.Access, err = access.NewStore(access.Config{
			Pool: pool, SigningKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Now: c.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, role := range []access.Role{access.Viewer, access.Admin} {
		register(w.server, operation{
			id: "test" + string(role), method: http.MethodGet, path: "/test-" + string(role), tag: "test", role: role, summary: "test",
		}, w.getVersion)
	}
	w.addUser("ada", access.Admin)
	token := w.login("ada").AccessToken
	for _, step := range []struct {
		name, path, credential string
		want                   int64
	}{
		{"token", "/test-viewer", token, 0},
		{"token again", "/test-viewer", token, 0},
		{"token, admin call", "/test-admin", token, 1},
		{"key", "/test-viewer", w.keys[access.Viewer], 1},
		{"key again", "/test-viewer", w.keys[access.Viewer], 0},
	} {
		before := n.Load()
		if a := w.send(http.MethodGet, step.path, "", as(step.credential)); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", step.name, a.StatusCode, a.body)
		}
		if got := n.Load() - before; got != step.want {
			t.Errorf("%s: %d queries, want %d", step.name, got, step.want)
		}
	}
}
