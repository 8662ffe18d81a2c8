// Package access owns who may call the API: API keys, the short-lived tokens
// made from them, and the order of roles.
//
// It must never log, return in an error or store a key or a token; of a key
// only the SHA-256 is kept. It does not know which operation needs which role,
// nor anything of HTTP.
package access

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
)

// Role says how much a caller may do.
type Role string

// The roles. A service is a program with the rights of an operator: it may act
// on nodes and money, but never change who has access.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
	Service  Role = "service"
)

func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Operator, Service:
		return 2
	case Admin:
		return 3
	}
	return 0
}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// Covers reports whether r may do what needed may.
func (r Role) Covers(needed Role) bool {
	return r.Valid() && needed.Valid() && r.rank() >= needed.rank()
}

// Kind says by what a caller proved who it is.
type Kind string

// The kinds of credential.
const (
	ByKey   Kind = "api_key"
	ByToken Kind = "token"
)

// Principal is a caller whose credential was good.
type Principal struct {
	Kind  Kind
	ID    string // of the API key, also behind a token
	Role  Role
	Until time.Time // when the credential ends; zero: never
}

// Config of a Store. Pool and SigningKey are required.
type Config struct {
	Pool       *db.Pool
	SigningKey ed25519.PrivateKey // signs tokens
	Issuer     string             // of tokens; default lucid-coordinator
	Now        func() time.Time
}

// Store keeps the API keys in Postgres and remembers which credentials it
// found good.
type Store struct {
	query  *sqlgen.Queries
	now    func() time.Time
	tokens signer
	seen   *memory
}

// NewStore makes a Store.
func NewStore(c Config) (*Store, error) {
	if len(c.SigningKey) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("token signing key has %d bytes, want %d", len(c.SigningKey), ed25519.PrivateKeySize)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Issuer == "" {
		c.Issuer = "lucid-coordinator"
	}
	return &Store{
		query:  sqlgen.New(c.Pool),
		now:    c.Now,
		tokens: newSigner(c.SigningKey, c.Issuer, c.Now),
		seen:   newMemory(),
	}, nil
}

// maxCredentialBytes is far above any key or token of ours; longer ones are
// refused before any work is spent on them.
const maxCredentialBytes = 4096

// errRefused is the one answer to every bad credential, so that it tells
// nothing about which part of it was wrong.
func errRefused() error {
	return fault.New(fault.BadCredentials, "the API key or token is unknown, expired or revoked; get a new one")
}

// Authenticate tells who presents the credential, an API key or a token. A bad
// one is fault BadCredentials; any other error is ours.
func (s *Store) Authenticate(ctx context.Context, credential string) (Principal, error) {
	if credential == "" || len(credential) > maxCredentialBytes {
		return Principal{}, errRefused()
	}
	digest, now := sha256.Sum256([]byte(credential)), s.now()
	if p, ok := s.seen.get(digest, now); ok {
		return p, nil
	}
	p, keep, err := s.verify(ctx, credential, digest)
	if err != nil {
		return Principal{}, err
	}
	if !s.seen.put(digest, p, now, keep) {
		return Principal{}, errRefused()
	}
	return p, nil
}

// verify checks a credential from the ground up and says until when the result
// may be remembered.
func (s *Store) verify(ctx context.Context, credential string, digest [32]byte) (Principal, time.Time, error) {
	if strings.HasPrefix(credential, keyMark) {
		return s.verifyKey(ctx, credential, digest)
	}
	p, err := s.tokens.verify(credential)
	if err != nil {
		return Principal{}, time.Time{}, errRefused()
	}
	return p, p.Until, nil
}

// Token is a signed token and when it ends.
type Token struct {
	Text    string
	Expires time.Time
}

// Exchange makes a token with the role of p, whose credential must be an API
// key: a token that could renew itself would never end.
func (s *Store) Exchange(p Principal) (Token, error) {
	if p.Kind != ByKey {
		return Token{}, fault.New(fault.BadCredentials, "a token is made from an API key; present the key itself")
	}
	t, err := s.tokens.issue(p)
	if err != nil {
		return Token{}, fmt.Errorf("sign token: %w", err)
	}
	return t, nil
}
