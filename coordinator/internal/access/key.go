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
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/publicid"
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
	NodeIDs   []string   // the nodes it is bound to; empty: not bound
}

// NewKey describes an API key to be made.
type NewKey struct {
	Name    string
	Role    Role
	Expires time.Time // zero: never
	NodeIDs []string  // bind it to these nodes; empty: not bound
}

// mostBoundNodes bounds a binding, which every token of the key carries.
const mostBoundNodes = 100

func keyOf(r sqlgen.ApiKey) Key {
	return Key{r.KeyID, r.Name, Role(r.Role), r.Prefix, r.CreatedAt, r.ExpiresAt, r.RevokedAt, r.NodeIds}
}

// record is what the audit log keeps of a key.
func (k Key) record() map[string]any {
	return map[string]any{
		"name": k.Name, "role": k.Role, "prefix": k.Prefix, "expires_at": k.ExpiresAt, "revoked_at": k.RevokedAt, "node_ids": k.NodeIDs,
	}
}

// CreateKey makes an API key. secret is the key itself; it exists nowhere else
// and cannot be shown again.
func (s *Store) CreateKey(ctx context.Context, by audit.By, n NewKey) (key Key, secret string, err error) {
	now := s.now().UTC().Truncate(time.Microsecond) // as Postgres keeps it
	if err := s.CheckKey(ctx, n); err != nil {
		return Key{}, "", err
	}
	bound := n.bound()
	secret = keyMark + randomHex(keyDigits/2)
	key = Key{
		ID: publicid.New("key"), Name: n.Name, Role: n.Role, Prefix: secret[:prefixBytes], CreatedAt: now,
		NodeIDs: append([]string{}, bound...), // never null in the database
	}
	if !n.Expires.IsZero() {
		until := n.Expires.UTC().Truncate(time.Microsecond)
		key.ExpiresAt = &until
	}
	digest := sha256.Sum256([]byte(secret))
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		err := sqlgen.New(tx).InsertKey(ctx, sqlgen.InsertKeyParams{
			KeyID: key.ID, Name: key.Name, Role: string(key.Role), Hash: digest[:], Prefix: key.Prefix,
			CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt, NodeIds: key.NodeIDs,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("apikey.create", key.ID, nil, key.record()))
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("store API key %q: %w", n.Name, err)
	}
	return key, secret, nil
}

// CheckKey tells every bad field of a key to be made at once.
func (s *Store) CheckKey(ctx context.Context, n NewKey) error {
	bad := checkKey(n, s.now())
	if len(n.NodeIDs) <= mostBoundNodes {
		unknown, err := s.checkNodes(ctx, n.bound())
		if err != nil {
			return err
		}
		bad = append(bad, unknown...)
	}
	if bad != nil {
		return fault.New(fault.Validation, "the API key cannot be made").WithFields(bad...)
	}
	return nil
}

func (n NewKey) bound() []string { return slices.Compact(slices.Sorted(slices.Values(n.NodeIDs))) }

func checkKey(n NewKey, now time.Time) (bad []fault.Field) {
	if !keyNames.MatchString(n.Name) {
		bad = append(bad, fault.Field{Name: "name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	if !n.Role.Valid() {
		bad = append(bad, fault.Field{Name: "role", Reason: "must be viewer, operator, admin or service"})
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		bad = append(bad, fault.Field{Name: "expires_at", Reason: "is in the past"})
	}
	if n.Expires.UTC().Year() > 9999 { // which JSON cannot show
		bad = append(bad, fault.Field{Name: "expires_at", Reason: "is after the year 9999"})
	}
	if len(n.NodeIDs) > mostBoundNodes {
		bad = append(bad, fault.Field{Name: "node_ids", Reason: fmt.Sprintf("holds %d nodes, at most %d", len(n.NodeIDs), mostBoundNodes)})
	}
	if len(n.NodeIDs) > 0 && (n.Role == Admin || n.Role == Service) {
		bad = append(bad, fault.Field{Name: "role", Reason: "a key that is bound to nodes is viewer or operator"})
	}
	return bad
}

// checkNodes refuses a binding to nodes that do not exist: somebody else's
// could get that id later.
func (s *Store) checkNodes(ctx context.Context, ids []string) ([]fault.Field, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	known, err := s.query.KnownNodes(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up nodes: %w", err)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return []fault.Field{{Name: "node_ids", Reason: fmt.Sprintf("no node %.64q", id)}}, nil
		}
	}
	return nil, nil
}

// Keys lists a page of API keys, newest first, revoked and expired ones
// included, and how many there are.
func (s *Store) Keys(ctx context.Context, limit, offset int) ([]Key, int, error) {
	total, err := s.query.CountKeys(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("count API keys: %w", err)
	}
	rows, err := s.query.ListKeys(ctx, sqlgen.ListKeysParams{AtMost: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("list API keys: %w", err)
	}
	keys := make([]Key, len(rows))
	for i, r := range rows {
		keys[i] = keyOf(r)
	}
	return keys, int(total), nil
}

// RevokeKey ends a key and its tokens. Revoking a key again changes nothing,
// but is audited as every call is.
func (s *Store) RevokeKey(ctx context.Context, by audit.By, id string) error {
	now := s.now().UTC().Truncate(time.Microsecond)
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		row, err := q.LockKey(ctx, id)
		if err != nil {
			return err
		}
		before := keyOf(row).record()
		if row.RevokedAt == nil {
			row.RevokedAt = &now
			if err := q.RevokeKey(ctx, sqlgen.RevokeKeyParams{KeyID: id, At: now}); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, by.Record("apikey.revoke", id, before, keyOf(row).record()))
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.OtherNotFound, "no API key %s", id)
	} else if err != nil {
		return fmt.Errorf("revoke API key %s: %w", id, err)
	}
	s.seen.revoke(now, id)
	return nil
}

func (s *Store) verifyKey(ctx context.Context, secret string, digest [32]byte) (Principal, time.Time, error) {
	if !wellFormedKey(secret) {
		return Principal{}, time.Time{}, errRefused()
	}
	row, err := s.query.KeyByHash(ctx, digest[:])
	if errors.Is(err, pgx.ErrNoRows) {
		return Principal{}, time.Time{}, errRefused()
	} else if err != nil {
		return Principal{}, time.Time{}, fmt.Errorf("look up API key: %w", err)
	}
	now := s.now()
	if subtle.ConstantTimeCompare(row.Hash, digest[:]) != 1 || !live(row, now) {
		return Principal{}, time.Time{}, errRefused()
	}
	p, keep := Principal{Kind: ByKey, ID: row.KeyID, Role: Role(row.Role), NodeIDs: boundTo(row)}, now.Add(keyMemory)
	if row.ExpiresAt != nil {
		p.Until = *row.ExpiresAt
		if p.Until.Before(keep) {
			keep = p.Until
		}
	}
	return p, keep, nil
}

func wellFormedKey(text string) bool {
	return len(text) == len(keyMark)+keyDigits && strings.HasPrefix(text, keyMark)
}

// live reports whether a key is neither revoked nor expired.
func live(row sqlgen.ApiKey, now time.Time) bool {
	return row.RevokedAt == nil && (row.ExpiresAt == nil || now.Before(*row.ExpiresAt))
}

// boundTo is nil for a key that is not bound.
func boundTo(row sqlgen.ApiKey) []string {
	if len(row.NodeIds) == 0 {
		return nil
	}
	return row.NodeIds
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(b)
}
