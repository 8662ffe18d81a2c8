package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

const (
	leastRSABits = 2048
	mostRSABits  = 8192 // beyond it a check would cost too much
)

// jwk is what we read of a JSON Web Key (RFC 7517, 7518, 8037).
type jwk struct {
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	N         string `json:"n"`
	E         string `json:"e"`
}

func (k jwk) usable(algorithm string) bool {
	return k.ID != "" && (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm)
}

func (k jwk) public(algorithm string) (crypto.PublicKey, error) {
	switch {
	case algorithm == "EdDSA" && k.Type == "OKP" && k.Curve == "Ed25519":
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("x is no Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	case algorithm == "ES256" && k.Type == "EC" && k.Curve == "P-256":
		return k.ec()
	case algorithm == "RS256" && k.Type == "RSA":
		return k.rsa()
	}
	return nil, fmt.Errorf("a key of type %q is not for %s", k.Type, algorithm)
}

func (k jwk) ec() (crypto.PublicKey, error) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("x or y is not 32 bytes")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...)) // checks that the point is on the curve
}

func (k jwk) rsa() (crypto.PublicKey, error) {
	n, errN := base64.RawURLEncoding.DecodeString(k.N)
	e, errE := base64.RawURLEncoding.DecodeString(k.E)
	if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
		return nil, errors.New("n or e cannot be read")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if bits := key.N.BitLen(); bits < leastRSABits || bits > mostRSABits || key.E < 3 || key.E%2 == 0 {
		return nil, errors.New("n or e is outside of what we take")
	}
	return key, nil
}
