package access

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenLife is how long a token is good. A revoked key's tokens end at once in
// the process that revoked it, and after this time everywhere.
const TokenLife = 15 * time.Minute

// audience is what our tokens are for: the API of node management.
const audience = "lucid-node-management"

// signer makes and checks our own tokens: EdDSA only, one key, one issuer.
type signer struct {
	private ed25519.PrivateKey
	public  ed25519.PublicKey
	keyID   string // kid: which key signed
	issuer  string
	now     func() time.Time
	parser  *jwt.Parser
}

type claims struct {
	jwt.RegisteredClaims
	Role Role `json:"role"`
}

// Validate is called by the parser after it has checked the registered claims.
func (c claims) Validate() error {
	if c.Subject == "" || !c.Role.Valid() {
		return errors.New("subject or role is missing")
	}
	return nil
}

func newSigner(private ed25519.PrivateKey, issuer string, now func() time.Time) signer {
	public := private.Public().(ed25519.PublicKey)
	thumb := sha256.Sum256(public)
	return signer{
		private: private, public: public, keyID: hex.EncodeToString(thumb[:8]), issuer: issuer, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithAudience(audience),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithStrictDecoding(),
			jwt.WithTimeFunc(now),
		),
	}
}

// issue makes a token that never outlives the credential it comes from.
func (s signer) issue(p Principal) (Token, error) {
	now := s.now()
	expires := now.Add(TokenLife)
	if !p.Until.IsZero() && p.Until.Before(expires) {
		expires = p.Until
	}
	expires = expires.Truncate(time.Second) // as the token carries it
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.issuer, Audience: jwt.ClaimStrings{audience}, Subject: p.ID,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
		},
		Role: p.Role,
	})
	t.Header["kid"] = s.keyID
	text, err := t.SignedString(s.private)
	return Token{text, expires.UTC()}, err
}

// verify takes only what issue gave. Its errors may quote the token, so they
// must not leave the package.
func (s signer) verify(text string) (Principal, error) {
	var c claims
	_, err := s.parser.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != s.keyID {
			return nil, fmt.Errorf("signed by key %v, ours is %s", t.Header["kid"], s.keyID)
		}
		return s.public, nil
	})
	if err != nil {
		return Principal{}, err
	}
	return Principal{Kind: ByToken, ID: c.Subject, Role: c.Role, Until: c.ExpiresAt.UTC()}, nil
}
