package issuer

import (
	"crypto/ed25519"
	"crypto/rsa"
	"testing"
)

// FuzzParseSet holds that whatever an issuer publishes gives keys of the pinned
// kind or an error, and none that is weak.
func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"k1","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`))
	f.Add([]byte(`{"keys":[null,7,{"kid":7}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, algorithm := range []string{"EdDSA", "ES256", "RS256"} {
			keys, err := parseSet(body, algorithm)
			if err == nil && len(keys) == 0 {
				t.Error("a set without keys is taken")
			}
			for id, key := range keys {
				_, ed := key.(ed25519.PublicKey)
				weak, isRSA := key.(*rsa.PublicKey)
				if id == "" || ed != (algorithm == "EdDSA") || isRSA != (algorithm == "RS256") || isRSA && weak.N.BitLen() < leastRSABits {
					t.Errorf("%s: %q is %T", algorithm, id, key)
				}
			}
		}
	})
}
