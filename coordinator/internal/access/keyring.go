package access

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
)

// FirstSigningKey is the name of the sealed secret that holds the first
// signing key's seed.
const FirstSigningKey = "token_key"

// SigningLead is how long a new signing key is known before it signs, so that
// every coordinator and every reader of the JWKS has it by then. They must read
// the keys more often than this.
const SigningLead = 5 * time.Minute

// SigningKey signs tokens from From on, until the next one's From.
type SigningKey struct {
	Private ed25519.PrivateKey
	From    time.Time
}

// PublicKey is a key by which anybody can check a token.
type PublicKey struct {
	ID  string // kid
	Key ed25519.PublicKey
}

// Secrets gives the sealed secret of that name, produced when there is none.
type Secrets func(ctx context.Context, name string, produce func() ([]byte, error)) ([]byte, error)

// ring is the signing keys in the order of their From; never changed.
type ring struct {
	keys []ringKey
	from []time.Time
}

type ringKey struct {
	id      string
	private ed25519.PrivateKey
}

func newRing(keys []SigningKey) *ring {
	r := &ring{}
	for _, k := range keys {
		thumb := sha256.Sum256(k.Private.Public().(ed25519.PublicKey))
		r.keys = append(r.keys, ringKey{hex.EncodeToString(thumb[:8]), k.Private})
		r.from = append(r.from, k.From)
	}
	return r
}

func (r *ring) signing(now time.Time) ringKey { return r.keys[signsAt(r.from, now)] }

func (r *ring) accepted(id string, now time.Time) (ringKey, bool) {
	for i, k := range r.keys {
		if k.id == id && stillAccepted(r.from, i, now) {
			return k, true
		}
	}
	return ringKey{}, false
}

// PublicKeys are the keys whose tokens are accepted now, those that will sign
// soon included.
func (s *Store) PublicKeys() []PublicKey {
	r, now := s.tokens.ring.Load(), s.now()
	var keys []PublicKey
	for i, k := range r.keys {
		if stillAccepted(r.from, i, now) {
			keys = append(keys, PublicKey{k.id, k.private.Public().(ed25519.PublicKey)})
		}
	}
	return keys
}

// UseSigningKeys replaces the signing keys; they must be ordered by From.
func (s *Store) UseSigningKeys(keys []SigningKey) error {
	if err := checkSigningKeys(keys); err != nil {
		return err
	}
	s.tokens.ring.Store(newRing(keys))
	return nil
}

func checkSigningKeys(keys []SigningKey) error {
	if len(keys) == 0 {
		return fmt.Errorf("there is no key to sign tokens")
	}
	for i, k := range keys {
		if len(k.Private) != ed25519.PrivateKeySize {
			return fmt.Errorf("token signing key has %d bytes, want %d", len(k.Private), ed25519.PrivateKeySize)
		}
		if i > 0 && k.From.Before(keys[i-1].From) {
			return fmt.Errorf("token signing keys are out of order")
		}
	}
	return nil
}

// LoadSigningKeys reads the signing keys of an installation. The first one is
// made when there is none.
func LoadSigningKeys(ctx context.Context, pool *db.Pool, secrets Secrets) ([]SigningKey, error) {
	first, err := SealedKey(ctx, secrets, FirstSigningKey)
	if err != nil {
		return nil, err
	}
	keys := []SigningKey{{Private: first}}
	rows, err := sqlgen.New(pool).SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list token signing keys: %w", err)
	}
	for _, r := range rows {
		private, err := SealedKey(ctx, secrets, r.SecretName)
		if err != nil {
			return nil, err
		}
		keys = append(keys, SigningKey{private, r.FromAt})
	}
	return keys, nil
}

// AddSigningKey makes the next signing key and tells from when on it signs: a
// SigningLead after now. Keys before it are accepted until the last token that
// they signed has expired.
func AddSigningKey(ctx context.Context, by audit.By, pool *db.Pool, secrets Secrets, now time.Time) (from time.Time, err error) {
	name := FirstSigningKey + "_" + randomHex(8)
	if _, err := SealedKey(ctx, secrets, name); err != nil {
		return time.Time{}, err
	}
	from = now.Add(SigningLead).UTC().Truncate(time.Microsecond)
	err = db.InTx(ctx, pool, func(tx db.Tx) error {
		if err := sqlgen.New(tx).InsertSigningKey(ctx, sqlgen.InsertSigningKeyParams{SecretName: name, FromAt: from}); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("signingkey.create", name, nil, map[string]any{"from": from}))
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("store token signing key: %w", err)
	}
	return from, nil
}

// SealedKey is an Ed25519 key of which the seed is kept sealed under a name, made
// when there is none.
func SealedKey(ctx context.Context, secrets Secrets, name string) (ed25519.PrivateKey, error) {
	seed, err := secrets(ctx, name, func() ([]byte, error) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private.Seed(), err
	})
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("sealed secret %s has %d bytes, want %d", name, len(seed), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
