package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// IssuedToken is an enrolment token as it stands, without its text.
type IssuedToken struct {
	ID         string   // token_...
	PoolID     string   // that its devices join; "": the one that fits
	NodeName   string   // of the new node; "" derives one from the host's name
	NodeIDs    []string // nodes that it is for, or has brought in
	Uses, Used int      // devices that it may bring in, and has
	CreatedAt  time.Time
	ExpiresAt  time.Time
	RevokedAt  *time.Time
}

// TokenStatus says what has become of an enrolment token.
type TokenStatus string

// The states of an enrolment token. Only an open one brings in devices.
const (
	TokenOpen    TokenStatus = "open"
	TokenUsed    TokenStatus = "used"
	TokenExpired TokenStatus = "expired"
	TokenRevoked TokenStatus = "revoked"
)

// Status says what has become of the token at now.
func (t IssuedToken) Status(now time.Time) TokenStatus {
	switch {
	case t.Used >= t.Uses:
		return TokenUsed
	case t.RevokedAt != nil:
		return TokenRevoked
	case now.After(t.ExpiresAt):
		return TokenExpired
	}
	return TokenOpen
}

// Tokens lists a page of enrolment tokens, newest first, and how many there are.
// One that nobody used is forgotten a week after it expired.
func (s *Store) Tokens(ctx context.Context, limit, offset int) ([]IssuedToken, int, error) {
	q := sqlgen.New(s.Pool)
	total, err := q.CountTokens(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("count enrolment tokens: %w", err)
	}
	tokens, err := s.tokens(ctx, sqlgen.ListTokensParams{AtMost: int32(limit), Skip: int32(offset)})
	return tokens, int(total), err
}

// Token reads one enrolment token.
func (s *Store) Token(ctx context.Context, id string) (IssuedToken, error) {
	tokens, err := s.tokens(ctx, sqlgen.ListTokensParams{TokenID: id, AtMost: 1})
	if err == nil && len(tokens) == 0 {
		err = unknownToken(id)
	}
	if err != nil {
		return IssuedToken{}, err
	}
	return tokens[0], nil
}

func (s *Store) tokens(ctx context.Context, p sqlgen.ListTokensParams) ([]IssuedToken, error) {
	rows, err := sqlgen.New(s.Pool).ListTokens(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("list enrolment tokens: %w", err)
	}
	tokens := make([]IssuedToken, len(rows))
	for i, r := range rows {
		tokens[i] = IssuedToken{
			ID: r.TokenID, PoolID: r.PoolID, NodeName: r.NodeName, NodeIDs: r.NodeIds, Uses: int(r.Uses), Used: int(r.Used),
			CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(), RevokedAt: r.RevokedAt,
		}
	}
	return tokens, nil
}

// RevokeToken lets an enrolment token bring in no further device. A device that
// it brought in before stays, and gets the same answer when it asks again.
// Doing it again changes nothing.
func (s *Store) RevokeToken(ctx context.Context, by audit.By, id string) error {
	now := s.Now().UTC().Truncate(time.Microsecond)
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		token, err := q.LockTokenByID(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownToken(id)
		} else if err != nil {
			return err
		}
		was := token.RevokedAt
		if was == nil {
			token.RevokedAt = &now
			if err := q.RevokeToken(ctx, sqlgen.RevokeTokenParams{TokenHash: token.TokenHash, At: now}); err != nil {
				return err
			}
		}
		record := func(at *time.Time) map[string]any { return map[string]any{"revoked_at": at} }
		return audit.Write(ctx, tx, by.Record("token.revoke", id, record(was), record(token.RevokedAt)).AtTime(now))
	})
	if err != nil {
		return fmt.Errorf("revoke enrolment token %s: %w", id, err)
	}
	return nil
}

func unknownToken(id string) error {
	return fault.New(fault.OtherNotFound, "no enrolment token %s; one that nobody used is forgotten a week after it expired", id)
}
