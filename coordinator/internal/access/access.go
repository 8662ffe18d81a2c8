// Package access owns who may call the API: users and their sessions, API keys,
// the short-lived tokens made from both, and the order of roles.
//
// It must never log, return in an error or store a password, a key or a token;
// of keys and tokens only the SHA-256 is kept, of passwords the argon2id hash.
// It does not know which operation needs which role, nor how a credential
// comes over HTTP.
package access

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/issuer"
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
	ByKey    Kind = "api_key"
	ByToken  Kind = "token"  // made from an API key
	ByLogin  Kind = "login"  // token of a user's session
	ByIssuer Kind = "issuer" // token of an outside issuer
)

// Principal is a caller whose credential was good.
type Principal struct {
	Kind    Kind
	ID      string // key_..., user_..., or name:subject of an outside issuer
	Role    Role
	Until   time.Time // when the credential ends; zero: never
	Session string    // of a login
	NodeIDs []string  // the only nodes that it may see; empty: not bound
}

// Config of a Store. Pool and SigningKey are required.
type Config struct {
	Pool       *db.Pool
	SigningKey ed25519.PrivateKey // signs tokens, until UseSigningKeys gives others
	Issuer     string             // of tokens; default lucid-coordinator
	Outside    []issuer.Config    // issuers whose tokens are taken beside our own
	Now        func() time.Time
}

// Store keeps users and API keys in Postgres and remembers which credentials
// it found good.
type Store struct {
	pool    *db.Pool
	query   *sqlgen.Queries
	now     func() time.Time
	tokens  *signer
	outside map[string]*issuer.Issuer // by the issuer that tokens name
	seen    *memory
	hasher  *hasher

	accounts, addresses *attempts
}

// NewStore makes a Store.
func NewStore(c Config) (*Store, error) {
	first := []SigningKey{{Private: c.SigningKey}}
	if err := checkSigningKeys(first); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Issuer == "" {
		c.Issuer = "lucid-coordinator"
	}
	outside, err := newOutside(c)
	if err != nil {
		return nil, err
	}
	return &Store{
		pool:      c.Pool,
		query:     sqlgen.New(c.Pool),
		now:       c.Now,
		tokens:    newSigner(first, c.Issuer, c.Now),
		outside:   outside,
		seen:      newMemory(),
		hasher:    newHasher(),
		accounts:  newAttempts(freeTriesAccount),
		addresses: newAttempts(freeTriesAddress),
	}, nil
}

// maxCredentialBytes is above any key or token of ours, also the token of a key
// that is bound to the most nodes; longer ones are refused before any work is
// spent on them.
const maxCredentialBytes = 12 << 10

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
	if !s.seen.put(digest, p, keep) {
		return Principal{}, errRefused()
	}
	return p, nil
}

// NeedsLookup reports whether Authenticate would have to ask the database about
// the credential: it has the form of an API key, and was not found good a short
// while ago. Tokens are checked here.
func (s *Store) NeedsLookup(credential string) bool {
	if !wellFormedKey(credential) {
		return false
	}
	_, known := s.seen.get(sha256.Sum256([]byte(credential)), s.now())
	return !known
}

// verify checks a credential from the ground up and says until when the result
// may be remembered.
func (s *Store) verify(ctx context.Context, credential string, digest [32]byte) (Principal, time.Time, error) {
	if strings.HasPrefix(credential, keyMark) {
		return s.verifyKey(ctx, credential, digest)
	}
	if len(s.outside) > 0 {
		if i := s.outside[s.tokens.issuedBy(credential)]; i != nil {
			return s.verifyOutside(ctx, i, credential)
		}
	}
	p, err := s.tokens.verify(credential)
	if err != nil {
		return Principal{}, time.Time{}, errRefused()
	}
	return p, p.Until, nil
}

// Recheck looks up again whom p speaks for, before a call that must not rest on
// what was true some minutes ago: a disabled user, an ended session or a
// revoked key is refused at once, and the role is the present one. An outside
// issuer cannot be asked.
func (s *Store) Recheck(ctx context.Context, p Principal) (Principal, error) {
	switch p.Kind {
	case ByLogin:
		row, err := s.query.SessionUser(ctx, p.Session)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && (row.DisabledAt != nil || row.EndedAt != nil) {
			return Principal{}, errRefused()
		} else if err != nil {
			return Principal{}, fmt.Errorf("read user again: %w", err)
		}
		p.Role = Role(row.Role)
	case ByKey, ByToken:
		row, err := s.query.KeyByID(ctx, p.ID)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !live(row, s.now()) {
			return Principal{}, errRefused()
		} else if err != nil {
			return Principal{}, fmt.Errorf("read API key again: %w", err)
		}
		p.Role = Role(row.Role)
	}
	return p, nil
}

// Token is a signed token and when it ends.
type Token struct {
	Text    string
	Expires time.Time
}

// Exchange makes a token with the role and the nodes of p, whose credential
// must be an API key: a token that could renew itself would never end.
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
