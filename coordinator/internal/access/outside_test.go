package access_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/access/issuer"
	"lucid.internal/coordinator/internal/fault"
)

// outsider is an issuer of its own: a real HTTP server that publishes its keys.
type outsider struct {
	t      testing.TB
	server *httptest.Server
	keys   atomic.Pointer[[]byte] // what it answers; nil: 500
	asked  atomic.Int32
	c      *clock
}

func newOutsider(t testing.TB, c *clock) *outsider {
	o := &outsider{t: t, c: c}
	o.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		keys := o.keys.Load()
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/jwks", http.StatusFound)
		case keys == nil:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			_, _ = w.Write(*keys)
		}
	}))
	t.Cleanup(o.server.Close)
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (o *outsider) publish(keys ...map[string]string) {
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		o.t.Fatal(err)
	}
	o.keys.Store(&body)
}

func edKey(kid string, seed byte) map[string]string {
	return map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": b64(signingKey(seed).Public().(ed25519.PublicKey))}
}

func (o *outsider) config() issuer.Config {
	return issuer.Config{
		Name: "corp", Issuer: "https://login.corp.example", Audience: "lucid", JWKSURL: o.server.URL + "/jwks", Algorithm: "EdDSA",
		RoleClaim: "groups", Roles: map[string]string{"fleet-ops": "operator", "fleet-admins": "admin"},
	}
}

func (o *outsider) store(configs ...issuer.Config) *access.Store {
	o.t.Helper()
	s, err := access.NewStore(access.Config{SigningKey: signingKey(0), Outside: configs, Now: o.c.now})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// token is a good one, but for what edit changes.
func (o *outsider) token(method jwt.SigningMethod, key any, edit func(header map[string]any, claims jwt.MapClaims)) string {
	o.t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": "https://login.corp.example", "aud": "lucid", "sub": "ada", "iat": o.c.now().Unix(), "exp": o.c.now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = "k1"
	if edit != nil {
		edit(token.Header, token.Claims.(jwt.MapClaims))
	}
	text, err := token.SignedString(key)
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

func TestOutsideIssuer(t *testing.T) {
	c := newClock()
	o := newOutsider(t, c)
	o.publish(edKey("k1", 1))
	s := o.store(o.config())
	for name, want := range map[string]struct {
		groups any
		role   access.Role
	}{
		"none": {nil, access.Viewer}, "not mapped": {[]string{"sales"}, access.Viewer}, "a text": {"fleet-ops", access.Operator},
		"a list": {[]string{"sales", "fleet-ops"}, access.Operator}, "the highest": {[]string{"fleet-admins", "fleet-ops"}, access.Admin},
		"our own word": {"admin", access.Viewer}, "odd": {map[string]any{"fleet-ops": true}, access.Viewer}, "numbers": {[]int{1}, access.Viewer},
	} {
		text := o.token(jwt.SigningMethodEdDSA, signingKey(1), func(_ map[string]any, claims jwt.MapClaims) { claims["groups"] = want.groups })
		t.Run(name, func(t *testing.T) {
			wantCaller(t, s, text, access.Principal{Kind: access.ByIssuer, ID: "corp:ada", Role: want.role, Until: c.now().Add(time.Hour)})
		})
	}
	if n := o.asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if _, err := s.Exchange(access.Principal{Kind: access.ByIssuer}); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("an outside token makes tokens of ours: %v", err)
	}
}

func TestOutsideTokensThatAreRefused(t *testing.T) {
	c := newClock()
	o := newOutsider(t, c)
	o.publish(edKey("k1", 1), edKey("k2", 2), map[string]string{"kty": "oct", "kid": "k3", "k": b64([]byte("shared secret"))})
	s := o.store(o.config())
	ed, good := jwt.SigningMethodEdDSA, signingKey(1)
	claim := func(name string, value any) string {
		return o.token(ed, good, func(_ map[string]any, claims jwt.MapClaims) {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		})
	}
	header := func(name string, value any) string {
		return o.token(ed, good, func(h map[string]any, _ jwt.MapClaims) { h[name] = value })
	}
	public := good.Public().(ed25519.PublicKey)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"wrong audience": claim("aud", "elsewhere"), "no audience": claim("aud", nil), "wrong issuer": claim("iss", "https://evil.example"),
		"issuer with a slash": claim("iss", "https://login.corp.example/"), "our own issuer": claim("iss", "lucid-coordinator"),
		"no expiry": claim("exp", nil), "expired": claim("exp", c.now().Add(-time.Minute).Unix()),
		"not yet valid": claim("nbf", c.now().Add(time.Hour).Unix()), "no subject": claim("sub", nil), "odd subject": claim("sub", "a\nb"),
		"long subject": claim("sub", strings.Repeat("a", 129)), "subject is no text": claim("sub", 7),
		"unknown kid": header("kid", "k9"), "no kid": header("kid", nil), "kid of another key": header("kid", "k2"), "kid of a secret": header("kid", "k3"),
		"unknown extension":         header("crit", []string{"b64"}),
		"kid is no text":            header("kid", []string{"k1"}),
		"no algorithm":              o.token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"public key as HMAC secret": o.token(jwt.SigningMethodHS256, []byte(public), nil),
		"another algorithm":         o.token(jwt.SigningMethodRS256, rsaKey, nil),
		"another key":               o.token(ed, signingKey(2), nil),
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, s, text) })
	}
	if _, err := s.Authenticate(t.Context(), o.token(ed, good, nil)); err != nil {
		t.Errorf("the unchanged token is refused too: %v", err)
	}
}

func TestOutsideAlgorithms(t *testing.T) {
	c := newClock()
	o := newOutsider(t, c)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ecKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	o.publish(
		map[string]string{"kty": "RSA", "kid": "rsa", "alg": "RS256", "n": b64(rsaKey.N.Bytes()), "e": b64(big.NewInt(int64(rsaKey.E)).Bytes())},
		map[string]string{"kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(point[1:33]), "y": b64(point[33:])},
		map[string]string{"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": b64(point[1:33]), "y": b64(point[1:33])},
		edKey("ed", 1),
	)
	for algorithm, one := range map[string]struct {
		method jwt.SigningMethod
		kid    string
		key    any
	}{
		"RS256": {jwt.SigningMethodRS256, "rsa", rsaKey}, "ES256": {jwt.SigningMethodES256, "ec", ecKey}, "EdDSA": {jwt.SigningMethodEdDSA, "ed", signingKey(1)},
	} {
		config := o.config()
		config.Algorithm = algorithm
		text := o.token(one.method, one.key, func(h map[string]any, _ jwt.MapClaims) { h["kid"] = one.kid })
		if p, err := o.store(config).Authenticate(t.Context(), text); err != nil || p.ID != "corp:ada" {
			t.Errorf("%s: %+v, %v", algorithm, p, err)
		}
		if algorithm == "RS256" { // the same key under an algorithm that is not the pinned one
			for _, near := range []jwt.SigningMethod{jwt.SigningMethodRS512, jwt.SigningMethodPS256} {
				text := o.token(near, one.key, func(h map[string]any, _ jwt.MapClaims) { h["kid"] = one.kid })
				wantRefused(t, o.store(config), text)
			}
		}
		for _, other := range []string{"RS256", "ES256", "EdDSA"} {
			if config.Algorithm = other; other != algorithm {
				wantRefused(t, o.store(config), text)
			}
		}
	}
}

// The issuer's keys are asked for when they are needed, seldom, and serve for a
// while when the issuer is away.
func TestOutsideKeysAreKept(t *testing.T) {
	c := newClock()
	o := newOutsider(t, c)
	s := o.store(o.config())
	token := func(kid string, seed byte) string {
		return o.token(jwt.SigningMethodEdDSA, signingKey(seed), func(h map[string]any, _ jwt.MapClaims) { h["kid"] = kid })
	}
	asked := func(want int32) {
		t.Helper()
		if n := o.asked.Load(); n != want {
			t.Errorf("asked %d times, want %d", n, want)
		}
	}
	wantAway := func(text string) {
		t.Helper()
		if _, err := s.Authenticate(t.Context(), text); !fault.Has(err, fault.TimedOut) {
			t.Errorf("without the issuer's keys: %v", err)
		}
	}
	wantAway(token("k1", 1)) // it answers 500
	wantAway(token("k1", 1)) // and is not asked again at once
	asked(1)
	o.publish(edKey("k1", 1))
	c.advance(30 * time.Second)
	if _, err := s.Authenticate(t.Context(), token("k1", 1)); err != nil {
		t.Error(err)
	}
	asked(2)
	o.publish(edKey("k1", 1), edKey("k2", 2)) // a new key
	wantRefused(t, s, token("k2", 2))
	asked(2)
	c.advance(30 * time.Second)
	if _, err := s.Authenticate(t.Context(), token("k2", 2)); err != nil {
		t.Error(err)
	}
	for range 50 {
		wantRefused(t, s, token("k9", 2))
	}
	asked(3)
	o.publish(edKey("k2", 2)) // the first key is withdrawn
	c.advance(10 * time.Minute)
	wantRefused(t, s, token("k1", 1))
	asked(4)
	o.keys.Store(nil) // away again
	c.advance(59 * time.Minute)
	if _, err := s.Authenticate(t.Context(), token("k2", 2)); err != nil {
		t.Errorf("kept keys do not serve: %v", err)
	}
	asked(5)
	c.advance(time.Minute)
	wantAway(token("k2", 2)) // asked for once more
	wantAway(token("k2", 2)) // and not again at once
	asked(6)
}

func TestOutsideAnswersThatAreRefused(t *testing.T) {
	huge := []byte(`{"keys":[` + strings.Repeat(" ", 300<<10) + `]}`)
	twice, _ := json.Marshal(map[string]any{"keys": []any{edKey("k1", 1), edKey("k1", 2)}})
	many, _ := json.Marshal(map[string]any{"keys": make([]map[string]string, 65)})
	for name, answer := range map[string][]byte{
		"huge": huge, "not JSON": []byte("<html>"), "nothing": nil, "no keys": []byte(`{"keys":[]}`), "twice": twice, "many": many,
		"a short key": []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"AAAA"}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOutsider(t, newClock())
			o.keys.Store(&answer)
			if _, err := o.store(o.config()).Authenticate(t.Context(), o.token(jwt.SigningMethodEdDSA, signingKey(1), nil)); !fault.Has(err, fault.TimedOut) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("redirect", func(t *testing.T) {
		o := newOutsider(t, newClock())
		o.publish(edKey("k1", 1))
		config := o.config()
		config.JWKSURL = o.server.URL + "/moved"
		if _, err := o.store(config).Authenticate(t.Context(), o.token(jwt.SigningMethodEdDSA, signingKey(1), nil)); !fault.Has(err, fault.TimedOut) || o.asked.Load() != 1 {
			t.Errorf("%v, asked %d times", err, o.asked.Load())
		}
	})
}

func TestOutsideSettingsAreChecked(t *testing.T) {
	o := newOutsider(t, newClock())
	for name, edit := range map[string]func(*issuer.Config){
		"no name": func(c *issuer.Config) { c.Name = "" }, "a colon": func(c *issuer.Config) { c.Name = "a:b" },
		"no issuer": func(c *issuer.Config) { c.Issuer = "" }, "no audience": func(c *issuer.Config) { c.Audience = "" },
		"HS256": func(c *issuer.Config) { c.Algorithm = "HS256" }, "none": func(c *issuer.Config) { c.Algorithm = "none" },
		"plain HTTP": func(c *issuer.Config) { c.JWKSURL = "http://login.corp.example/jwks" }, "a file": func(c *issuer.Config) { c.JWKSURL = "file:///etc/passwd" },
		"no role": func(c *issuer.Config) { c.Roles = map[string]string{"a": "root"} }, "no claim": func(c *issuer.Config) { c.RoleClaim = "" },
		"our own issuer": func(c *issuer.Config) { c.Issuer = "lucid-coordinator" },
	} {
		config := o.config()
		edit(&config)
		if _, err := access.NewStore(access.Config{SigningKey: signingKey(0), Outside: []issuer.Config{config}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := access.NewStore(access.Config{SigningKey: signingKey(0), Outside: []issuer.Config{o.config(), o.config()}}); err == nil {
		t.Error("the same issuer twice: taken")
	}
	if o.asked.Load() != 0 {
		t.Error("keys were fetched before any token came")
	}
}
