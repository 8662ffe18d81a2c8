package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/fault"
)

const (
	keyMark     = "lucid_" // begins every API key, so that a leaked one is recognised
	keyDigits   = 64       // hexadecimal digits of 256 random bits
	prefixBytes = len(keyMark) + 8

	// keyMemory is how long a good key is trusted without looking again: the
	// most that another coordinator's revocation can take to arrive here.
	keyMemory = 30 * time.Second
)

var keyNames = regexp.MustCompile(`^[a-zA-Z0-9_-]{3,100}$`)

// Key is an API key without its secret.
type Key struct {
	ID        string // key_...
	Name      string
	Role      Role
	Prefix    string // begin of the key, to tell keys apart
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
	RevokedAt *time.Time // nil: live
}

// CreateKey makes an API key. secret is the key itself; it exists nowhere else
// and cannot be shown again. A zero expires means never.
func (s *Store) CreateKey(ctx context.Context, name string, role Role, expires time.Time) (key Key, secret string, err error) {
	now := s.now().UTC().Truncate(time.Microsecond) // as Postgres keeps it
	if err := checkKey(name, role, expires, now); err != nil {
		return Key{}, "", err
	}
	secret = keyMark + randomHex(keyDigits/2)
	key = Key{ID: "key_" + randomHex(8), Name: name, Role: role, Prefix: secret[:prefixBytes], CreatedAt: now}
	if !expires.IsZero() {
		until := expires.UTC().Truncate(time.Microsecond)
		key.ExpiresAt = &until
	}
	digest := sha256.Sum256([]byte(secret))
	err = s.query.InsertKey(ctx, sqlgen.InsertKeyParams{
		KeyID: key.ID, Name: name, Role: string(role), Hash: digest[:], Prefix: key.Prefix,
		CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("store API key %q: %w", name, err)
	}
	return key, secret, nil
}

func checkKey(name string, role Role, expires, now time.Time) error {
	var bad []fault.Field
	if !keyNames.MatchString(name) {
		bad = append(bad, fault.Field{Name: "name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	if !role.Valid() {
		bad = append(bad, fault.Field{Name: "role", Reason: "must be viewer, operator, admin or service"})
	}
	if !expires.IsZero() && !expires.After(now) {
		bad = append(bad, fault.Field{Name: "expires_at", Reason: "is in the past"})
	}
	if bad != nil {
		return fault.New(fault.Validation, "the API key cannot be made").WithFields(bad...)
	}
	return nil
}

// Keys lists all API keys, newest first, revoked and expired ones included.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	rows, err := s.query.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	keys := make([]Key, len(rows))
	for i, r := range rows {
		keys[i] = Key{r.KeyID, r.Name, Role(r.Role), r.Prefix, r.CreatedAt, r.ExpiresAt, r.RevokedAt}
	}
	return keys, nil
}

// RevokeKey ends a key and its tokens. Revoking a key again changes nothing.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	now := s.now()
	_, err := s.query.RevokeKey(ctx, sqlgen.RevokeKeyParams{KeyID: id, At: now})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.OtherNotFound, "no API key %s", id)
	} else if err != nil {
		return fmt.Errorf("revoke API key %s: %w", id, err)
	}
	s.seen.revoke(id, now)
	return nil
}

func (s *Store) verifyKey(ctx context.Context, secret string, digest [32]byte) (Principal, time.Time, error) {
	if len(secret) != len(keyMark)+keyDigits {
		return Principal{}, time.Time{}, errRefused()
	}
	row, err := s.query.KeyByHash(ctx, digest[:])
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, time.Time{}, errRefused()
	} else if err != nil {
		return Principal{}, time.Time{}, fmt.Errorf("look up API key: %w", err)
	}
	now := s.now()
	expired := row.ExpiresAt != nil && !now.Before(*row.ExpiresAt)
	if subtle.ConstantTimeCompare(row.Hash, digest[:]) != 1 || row.RevokedAt != nil || expired {
		return Principal{}, time.Time{}, errRefused()
	}
	p, keep := Principal{Kind: ByKey, ID: row.KeyID, Role: Role(row.Role)}, now.Add(keyMemory)
	if row.ExpiresAt != nil {
		p.Until = *row.ExpiresAt
		if p.Until.Before(keep) {
			keep = p.Until
		}
	}
	return p, keep, nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b)
}
