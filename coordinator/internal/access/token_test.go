package access_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

// caller is the principal of a key, as Authenticate gives it.
var caller = access.Principal{Kind: access.ByKey, ID: "key_1", Role: access.Operator}

func mustToken(t testing.TB, s *access.Store, p access.Principal) access.Token {
	t.Helper()
	token, err := s.Exchange(p)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenLife(t *testing.T) {
	c := newClock()
	s := newStore(t, nil, c) // a token needs no database
	token := mustToken(t, s, caller)
	if want := c.now().Add(15 * time.Minute); !token.Expires.Equal(want) {
		t.Errorf("the token ends at %s, want %s", token.Expires, want)
	}
	want := access.Principal{Kind: access.ByToken, ID: "key_1", Role: access.Operator, Until: token.Expires}
	c.advance(15*time.Minute - time.Nanosecond)
	wantCaller(t, s, token.Text, want)
	wantCaller(t, newStore(t, nil, c), token.Text, want) // not only because it is remembered
	c.advance(time.Nanosecond)
	wantRefused(t, s, token.Text)
	wantRefused(t, newStore(t, nil, c), token.Text)
}

func TestTokenNeverOutlivesItsKey(t *testing.T) {
	c := newClock()
	p := caller
	p.Until = c.now().Add(90 * time.Second)
	if token := mustToken(t, newStore(t, nil, c), p); !token.Expires.Equal(p.Until) {
		t.Errorf("the token ends at %s, the key at %s", token.Expires, p.Until)
	}
}

func TestTokenMakesNoToken(t *testing.T) {
	s := newStore(t, nil, newClock())
	if _, err := s.Exchange(access.Principal{Kind: access.ByToken, ID: "key_1", Role: access.Admin}); !fault.Has(err, fault.BadCredentials) {
		t.Errorf("exchanging a token gives %v", err)
	}
}

// forge signs claims and header as an attacker may choose them.
func forge(t *testing.T, method jwt.SigningMethod, key any, edit func(header map[string]any, claims jwt.MapClaims)) string {
	t.Helper()
	c := newClock()
	good := mustToken(t, newStore(t, nil, c), caller)
	parsed, _, err := jwt.NewParser().ParseUnverified(good.Text, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(method, parsed.Claims)
	token.Header["kid"] = parsed.Header["kid"]
	edit(token.Header, token.Claims.(jwt.MapClaims))
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForgedTokensAreRefused(t *testing.T) {
	private, public := signingKey(0), signingKey(0).Public().(ed25519.PublicKey)
	nothing := func(map[string]any, jwt.MapClaims) {}
	claim := func(name string, value any) func(map[string]any, jwt.MapClaims) {
		return func(_ map[string]any, c jwt.MapClaims) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
	}
	future := float64(newClock().now().Add(time.Hour).Unix())
	cases := map[string]string{
		"no algorithm":              forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nothing),
		"public key as HMAC secret": forge(t, jwt.SigningMethodHS256, []byte(public), nothing),
		"another key":               forge(t, jwt.SigningMethodEdDSA, signingKey(1), nothing),
		"another kid":               forge(t, jwt.SigningMethodEdDSA, private, func(h map[string]any, _ jwt.MapClaims) { h["kid"] = "0011223344556677" }),
		"no kid":                    forge(t, jwt.SigningMethodEdDSA, private, func(h map[string]any, _ jwt.MapClaims) { delete(h, "kid") }),
		"another issuer":            forge(t, jwt.SigningMethodEdDSA, private, claim("iss", "somebody")),
		"another audience":          forge(t, jwt.SigningMethodEdDSA, private, claim("aud", "somewhere")),
		"no audience":               forge(t, jwt.SigningMethodEdDSA, private, claim("aud", nil)),
		"no expiry":                 forge(t, jwt.SigningMethodEdDSA, private, claim("exp", nil)),
		"issued in the future":      forge(t, jwt.SigningMethodEdDSA, private, claim("iat", future)),
		"not yet valid":             forge(t, jwt.SigningMethodEdDSA, private, claim("nbf", future)),
		"unknown role":              forge(t, jwt.SigningMethodEdDSA, private, claim("role", "root")),
		"no role":                   forge(t, jwt.SigningMethodEdDSA, private, claim("role", nil)),
		"no subject":                forge(t, jwt.SigningMethodEdDSA, private, claim("sub", nil)),
	}
	s := newStore(t, nil, newClock())
	for name, text := range cases {
		t.Run(name, func(t *testing.T) { wantRefused(t, s, text) })
	}
	unchanged := forge(t, jwt.SigningMethodEdDSA, private, nothing)
	if _, err := s.Authenticate(t.Context(), unchanged); err != nil {
		t.Errorf("the unchanged token is refused too, so this test shows nothing: %v", err)
	}
}

func TestAlteredTokenIsRefused(t *testing.T) {
	s := newStore(t, nil, newClock())
	parts := strings.Split(mustToken(t, s, caller).Text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	claims["role"] = "admin"
	raw, _ = json.Marshal(claims)
	parts[1] = base64.RawURLEncoding.EncodeToString(raw)
	wantRefused(t, s, strings.Join(parts, "."))
}

// The last character of a signature has four bits that carry nothing. A text
// that differs only there would be a second spelling of the same token.
func TestTokenHasOneSpelling(t *testing.T) {
	s := newStore(t, nil, newClock())
	good := mustToken(t, s, caller).Text
	end := len(good) - 1
	wantRefused(t, s, good[:end]+string(good[end]+1))
}

// FuzzAuthenticate holds that of all texts only the one token that was issued
// is taken, and that nothing panics. Keys need a database and are refused by
// form before it is asked.
func FuzzAuthenticate(f *testing.F) {
	s := newStore(f, nil, newClock())
	good := mustToken(f, s, caller).Text
	f.Add(good)
	f.Add(good + "=")
	f.Add(strings.ReplaceAll(good, ".", ".."))
	f.Add("lucid_" + strings.Repeat("0", 63))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, credential string) {
		if strings.HasPrefix(credential, "lucid_") && len(credential) == len("lucid_")+64 {
			t.Skip("a well-formed key is looked up")
		}
		_, err := s.Authenticate(t.Context(), credential)
		if (err == nil) != (credential == good) {
			t.Errorf("%q gives %v", credential, err)
		}
	})
}

// FuzzClaims signs any claims and any header with the right key: what is taken
// has a subject, a role that exists, an end, and passed through our issuer.
func FuzzClaims(f *testing.F) {
	c := newClock()
	s := newStore(f, nil, c)
	parts := strings.Split(mustToken(f, s, caller).Text, ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	f.Add(header, payload)
	f.Add(header, []byte(`{"iss":"lucid-coordinator","aud":"lucid-node-management","sub":"key_1","exp":1e300,"role":"admin"}`))
	f.Add(header, []byte(`{"iss":"lucid-coordinator","aud":["lucid-node-management"],"sub":"","exp":4102444800,"role":"admin","nodes":[""]}`))
	f.Add([]byte(`{"alg":"EdDSA","crit":["b64"],"b64":false}`), payload)
	f.Add(header, []byte(`null`))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
		text += "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(signingKey(0), []byte(text)))
		p, err := s.Authenticate(t.Context(), text)
		switch {
		case err != nil && !fault.Has(err, fault.BadCredentials):
			t.Errorf("%s: %v", payload, err)
		case err == nil && (p.ID == "" || !p.Role.Valid() || !p.Until.After(c.now()) || !strings.Contains(string(payload), "lucid")):
			t.Errorf("%s is taken as %+v", payload, p)
		}
	})
}
