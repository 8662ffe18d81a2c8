package api

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

const anyPath = "/api/v1/nodes/"

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	viewer, operator := w.keys[access.Viewer], w.keys[access.Operator]
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		edit   func(*http.Request)
		status int
		code   string // "" for success
	}{
		"key as bearer":          {as(viewer), 200, ""},
		"bearer in other case":   {header("Authorization", "bearer "+viewer), 200, ""},
		"key in its header":      {header("X-API-Key", viewer), 200, ""},
		"service":                {as(w.keys[access.Service]), 200, ""},
		"none":                   {nil, 401, "LUCID_ERR_2001"},
		"empty":                  {as(""), 401, "LUCID_ERR_2001"},
		"unknown key":            {as("lucid_" + strings.Repeat("0", 64)), 401, "LUCID_ERR_2002"},
		"nonsense":               {as("nonsense"), 401, "LUCID_ERR_2002"},
		"basic":                  {header("Authorization", "Basic dTpw"), 401, "LUCID_ERR_2002"},
		"key without its scheme": {header("Authorization", viewer), 401, "LUCID_ERR_2002"},
		"two that differ": {func(r *http.Request) {
			as(viewer)(r)
			r.Header.Set("X-API-Key", operator)
		}, 401, "LUCID_ERR_2002"},
		"the same twice": {func(r *http.Request) {
			as(viewer)(r)
			r.Header.Set("X-API-Key", viewer)
		}, 200, ""},
		"two authorizations": {func(r *http.Request) {
			r.Header["Authorization"] = []string{"Bearer " + viewer, "Bearer " + operator}
		}, 401, "LUCID_ERR_2002"},
		"in the query": {func(r *http.Request) { r.URL.RawQuery = "access_token=" + viewer }, 401, "LUCID_ERR_2001"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.send(http.MethodGet, anyPath, "", c.edit)
			if c.code == "" {
				if a.StatusCode != c.status {
					t.Errorf("%d %s, want %d", a.StatusCode, a.body, c.status)
				}
				return
			}
			w.wantError(a, c.status, c.code)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer realm="lucid"`) {
				t.Errorf("WWW-Authenticate is %q", a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestRolesAreEnforcedAsDeclared(t *testing.T) {
	w := newWorld(t)
	for _, needed := range []access.Role{access.Viewer, access.Operator, access.Admin} {
		path := "/test-" + string(needed)
		register(w.server, operation{id: "test" + string(needed), method: http.MethodGet, path: path, tag: "test", role: needed, summary: "test"}, w.getVersion)
		for has, key := range w.keys {
			a := w.send(http.MethodGet, path, "", as(key))
			if has.Covers(needed) {
				if a.StatusCode != http.StatusOK {
					t.Errorf("%s on %s: %d %s", has, path, a.StatusCode, a.body)
				}
				continue
			}
			w.wantError(a, http.StatusForbidden, "LUCID_ERR_2003")
		}
	}
}

func TestTokenExchange(t *testing.T) {
	w := newWorld(t)
	var token tokenBody
	a := w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Operator]))
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	w.decode(a.body, &token)
	if token.TokenType != "Bearer" || token.ExpiresIn != 900 || token.Role != "operator" || !token.ExpiresAt.Equal(w.now().Add(15*time.Minute)) {
		t.Errorf("token %+v", token)
	}
	if cache := a.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("Cache-Control is %q", cache)
	}
	read := func() answerOf { return w.send(http.MethodGet, anyPath, "", as(token.AccessToken)) }
	w.advance(15*time.Minute - time.Second)
	if a := read(); a.StatusCode != http.StatusOK {
		t.Errorf("a second before its end: %d %s", a.StatusCode, a.body)
	}
	w.wantError(w.send(http.MethodPost, "/api/v1/auth/token", "", as(token.AccessToken)), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.advance(time.Second)
	w.wantError(read(), http.StatusUnauthorized, "LUCID_ERR_2002")
}

func TestTokenOfRevokedKeyEnds(t *testing.T) {
	w := newWorld(t)
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Admin])).body, &token)
	keys, _, err := w.Access.Keys(t.Context(), 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Role == access.Admin {
			if err := w.Access.RevokeKey(t.Context(), audit.By{Actor: audit.System}, k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, credential := range []string{token.AccessToken, w.keys[access.Admin]} {
		w.wantError(w.send(http.MethodGet, anyPath, "", as(credential)), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
}

// A token whose header says "none" or HS256 is refused, whatever signs it.
func TestAlgorithmConfusionIsRefused(t *testing.T) {
	w := newWorld(t)
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer])).body, &token)
	parts := strings.Split(token.AccessToken, ".")
	for _, header := range []string{`{"alg":"none","typ":"JWT"}`, `{"alg":"HS256","typ":"JWT"}`, `{"alg":"none"}`} {
		forged := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "."
		w.wantError(w.send(http.MethodGet, anyPath, "", as(forged)), http.StatusUnauthorized, "LUCID_ERR_2002")
		w.wantError(w.send(http.MethodGet, anyPath, "", as(forged+parts[2])), http.StatusUnauthorized, "LUCID_ERR_2002")
	}
}

func TestLogHoldsNoCredential(t *testing.T) {
	w := newWorld(t)
	var token tokenBody
	w.decode(w.send(http.MethodPost, "/api/v1/auth/token", "", as(w.keys[access.Viewer])).body, &token)
	w.send(http.MethodGet, anyPath+"?q=a-secret-word", "", as(token.AccessToken))
	w.send(http.MethodGet, anyPath, "", as("Bearer lucid_almost"))
	for _, secret := range []string{w.keys[access.Viewer], token.AccessToken, "a-secret-word", "lucid_almost"} {
		if bytes.Contains(w.log.Bytes(), []byte(secret)) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if !bytes.Contains(w.log.Bytes(), []byte(`"operation":"listNodes"`)) {
		t.Errorf("the log does not tell of the requests:\n%s", w.log)
	}
}
