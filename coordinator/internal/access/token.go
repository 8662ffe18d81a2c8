package access

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenLife is how long a token is good. A revoked key's tokens end at once in
// the process that revoked it, and after this time everywhere.
const TokenLife = 15 * time.Minute

// audience is what our tokens are for: the API of node management.
const audience = "lucid-node-management"

// signer makes and checks our own tokens: EdDSA only, one issuer, the keys of
// its ring.
type signer struct {
	ring   atomic.Pointer[ring]
	issuer string
	now    func() time.Time
	parser *jwt.Parser
}

type claims struct {
	jwt.RegisteredClaims
	Role    Role     `json:"role"`
	Session string   `json:"sid,omitempty"`
	NodeIDs []string `json:"nodes,omitempty"` // of a bound key
}

// Validate is called by the parser after it has checked the registered claims.
func (c claims) Validate() error {
	if c.Subject == "" || !c.Role.Valid() {
		return errors.New("subject or role is missing")
	}
	return nil
}

func newSigner(keys []SigningKey, issuer string, now func() time.Time) *signer {
	s := &signer{
		issuer: issuer, now: now,
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
	s.ring.Store(newRing(keys))
	return s
}

// issue makes a token that never outlives the credential it comes from.
func (s *signer) issue(p Principal) (Token, error) {
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
		Role: p.Role, Session: p.Session, NodeIDs: p.NodeIDs,
	})
	key := s.ring.Load().signing(now)
	t.Header["kid"] = key.id
	text, err := t.SignedString(key.private)
	return Token{text, expires.UTC()}, err
}

// verify takes only what issue gave. Its errors may quote the token, so they
// must not leave the package.
func (s *signer) verify(text string) (Principal, error) {
	var c claims
	_, err := s.parser.ParseWithClaims(text, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		key, ok := s.ring.Load().accepted(id, s.now())
		if !ok {
			return nil, fmt.Errorf("signed by key %q, which is not ours or no longer", id)
		}
		return key.private.Public(), nil
	})
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Kind: ByToken, ID: c.Subject, Role: c.Role, Until: c.ExpiresAt.UTC(), Session: c.Session, NodeIDs: c.NodeIDs}
	if c.Session != "" {
		p.Kind = ByLogin
	}
	return p, nil
}

// issuedBy reads who claims to have issued a token, without believing it: it
// only chooses by whose rules the token is checked.
func (s *signer) issuedBy(text string) string {
	var c jwt.RegisteredClaims
	if _, _, err := s.parser.ParseUnverified(text, &c); err != nil {
		return ""
	}
	return c.Issuer
}
