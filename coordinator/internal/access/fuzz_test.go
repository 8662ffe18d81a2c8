package access_test

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
)

// FuzzKey holds that of all texts, those of a key's form included, only the key
// that was made is taken.
func FuzzKey(f *testing.F) {
	s := newStore(f, dbtest.New(f), newClock())
	_, good := mustKey(f, s, access.Viewer, time.Time{})
	digits := strings.TrimPrefix(good, "lucid_")
	f.Add(good)
	f.Add(strings.ToUpper(good))
	f.Add("lucid_" + strings.ToUpper(digits))
	f.Add("lucid_" + digits[:63] + "\x00")
	f.Add("lucid_" + strings.Repeat("0", 64))
	f.Add("lucid_" + strings.Repeat("'", 64))
	f.Add(" " + good)
	f.Add(digits)
	f.Fuzz(func(t *testing.T, credential string) {
		p, err := s.Authenticate(t.Context(), credential)
		switch {
		case credential == good && (err != nil || p.Role != access.Viewer):
			t.Errorf("the key gives %+v, %v", p, err)
		case credential != good && !fault.Has(err, fault.BadCredentials):
			t.Errorf("%q gives %+v, %v", credential, p, err)
		}
	})
}

// FuzzOutsideClaims has an outside issuer sign any claims under any header:
// what is taken names a subject of that issuer, a role that exists, and an end
// that is to come, but for the leeway of its clock.
func FuzzOutsideClaims(f *testing.F) {
	c := newClock()
	o := newOutsider(f, c)
	o.publish(edKey("k1", 1))
	s := o.store(o.config())
	signed := func(header, payload []byte) string {
		text := b64(header) + "." + b64(payload)
		return text + "." + b64(ed25519.Sign(signingKey(1), []byte(text)))
	}
	header := []byte(`{"alg":"EdDSA","kid":"k1"}`)
	payload := o.claims()
	if _, err := s.Authenticate(f.Context(), signed(header, payload)); err != nil {
		f.Fatalf("the seed is refused: %v", err)
	}
	f.Add(header, payload)
	f.Add(header, []byte(strings.Replace(string(payload), `"ada"`, `["ada"]`, 1)))
	f.Add(header, []byte(strings.Replace(string(payload), `"lucid"`, `["other","lucid"]`, 1)))
	f.Add(header, []byte(strings.Replace(string(payload), `}`, `,"groups":[["fleet-admins"],null,"fleet-ops"]}`, 1)))
	f.Add([]byte(`{"alg":"EdDSA","kid":7}`), payload)
	f.Add([]byte(`{"alg":"none","kid":"k1"}`), payload)
	f.Add([]byte(`{"alg":"EdDSA","kid":"k1","crit":["b64"],"b64":false}`), payload)
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		p, err := s.Authenticate(t.Context(), signed(header, payload))
		switch {
		case err != nil && !fault.Has(err, fault.BadCredentials):
			t.Errorf("%s %s: %v", header, payload, err)
		case err == nil && (!strings.HasPrefix(p.ID, "corp:") || len(p.ID) == len("corp:") || !p.Role.Valid() || !p.Until.After(c.now().Add(-time.Minute))):
			t.Errorf("%s %s is taken as %+v", header, payload, p)
		case err == nil && (read(header)["crit"] != nil || read(payload)["iss"] != o.config().Issuer):
			t.Errorf("%s %s is taken, which is another's or asks for more", header, payload)
		}
	})
}

func read(text []byte) (o map[string]any) {
	_ = json.Unmarshal(text, &o) // what is no object holds nothing
	return o
}

// claims are the payload of a good token.
func (o *outsider) claims() []byte {
	o.t.Helper()
	payload, err := jwt.NewParser().DecodeSegment(strings.Split(o.token(jwt.SigningMethodEdDSA, signingKey(1), nil), ".")[1])
	if err != nil {
		o.t.Fatal(err)
	}
	return payload
}
