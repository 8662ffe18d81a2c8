package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
)

const (
	refreshMark   = "lucidr_" // begins every refresh token
	refreshDigits = 64        // hexadecimal digits of 256 random bits

	// refreshLife is how long a login may rest; sessionLife is when the
	// password is asked for again, whatever happened in between.
	refreshLife = 14 * 24 * time.Hour
	sessionLife = 90 * 24 * time.Hour
)

// Why a session ended, as stored.
const (
	endedByLogout = "logout"
	endedByReuse  = "reuse"
	endedByChange = "user changed"
)

// Grant is what a login or a refresh gives.
type Grant struct {
	Token          Token
	Role           Role
	Refresh        string // shown only now; good once
	RefreshExpires time.Time
}

// grant makes the tokens of a session and stores the refresh token's hash.
func (s *Store) grant(ctx context.Context, q *sqlgen.Queries, user sqlgen.AccessUser, session string, began time.Time) (Grant, error) {
	now := s.now()
	expires := now.Add(refreshLife)
	if last := began.Add(sessionLife); last.Before(expires) {
		expires = last
	}
	p := Principal{Kind: ByLogin, ID: user.UserID, Role: Role(user.Role), Session: session}
	token, err := s.tokens.issue(p)
	if err != nil {
		return Grant{}, fmt.Errorf("sign token: %w", err)
	}
	refresh := refreshMark + randomHex(refreshDigits/2)
	digest := sha256.Sum256([]byte(refresh))
	err = q.InsertRefresh(ctx, sqlgen.InsertRefreshParams{Hash: digest[:], SessionID: session, IssuedAt: now, ExpiresAt: expires})
	if err == nil {
		err = q.ExtendSession(ctx, sqlgen.ExtendSessionParams{SessionID: session, ExpiresAt: expires})
	}
	return Grant{Token: token, Role: p.Role, Refresh: refresh, RefreshExpires: expires.UTC()}, err
}

// Refresh exchanges a refresh token, once, for a new token and a new refresh
// token. One that comes a second time has been copied: its whole session ends,
// since it cannot be told who of the two is the thief.
func (s *Store) Refresh(ctx context.Context, refresh, requestID string) (Grant, error) {
	if !wellFormedRefresh(refresh) {
		return Grant{}, errRefused()
	}
	digest := sha256.Sum256([]byte(refresh))
	var g Grant
	var reused string
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		g, reused = Grant{}, ""
		q, now := sqlgen.New(tx), s.now()
		row, err := q.LockRefresh(ctx, digest[:])
		if err != nil {
			return err
		}
		switch {
		case row.EndedAt != nil || !now.Before(row.ExpiresAt):
			return pgx.ErrNoRows
		case row.UsedAt != nil:
			reused = row.SessionID
			return s.endReused(ctx, tx, row.SessionID, row.UserID, requestID)
		}
		user, err := q.UserByID(ctx, row.UserID)
		if err != nil {
			return err
		}
		if user.DisabledAt != nil {
			return pgx.ErrNoRows
		}
		if err := q.UseRefresh(ctx, sqlgen.UseRefreshParams{Hash: digest[:], At: now}); err != nil {
			return err
		}
		if g, err = s.grant(ctx, q, user, row.SessionID, row.SessionCreatedAt); err != nil {
			return err
		}
		by := audit.By{Actor: user.UserID, RequestID: requestID}
		return audit.Write(ctx, tx, by.Record("session.refresh", row.SessionID, nil, nil))
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Grant{}, errRefused()
	case err != nil:
		return Grant{}, fmt.Errorf("refresh token: %w", err)
	case reused != "":
		s.seen.revoke(s.now(), reused)
		return Grant{}, errRefused()
	}
	return g, nil
}

func (s *Store) endReused(ctx context.Context, tx db.Tx, session, userID, requestID string) error {
	_, err := sqlgen.New(tx).EndSession(ctx, sqlgen.EndSessionParams{SessionID: session, At: s.now(), Reason: endedByReuse})
	if err != nil {
		return err
	}
	by := audit.By{Actor: audit.System, RequestID: requestID}
	return audit.Write(ctx, tx, by.Record("session.reuse", session, nil, map[string]any{"user": userID, "ended": true}))
}

// Logout ends the session that a refresh token belongs to, be it the newest one
// or not. A token that nobody knows ends nothing, and is told nothing.
func (s *Store) Logout(ctx context.Context, refresh, requestID string) error {
	if !wellFormedRefresh(refresh) {
		return nil
	}
	digest := sha256.Sum256([]byte(refresh))
	var ended string
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		ended = ""
		q := sqlgen.New(tx)
		row, err := q.LockRefresh(ctx, digest[:])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		ended = row.SessionID
		if _, err := q.EndSession(ctx, sqlgen.EndSessionParams{SessionID: ended, At: s.now(), Reason: endedByLogout}); err != nil {
			return err
		}
		by := audit.By{Actor: row.UserID, RequestID: requestID}
		return audit.Write(ctx, tx, by.Record("user.logout", row.UserID, map[string]any{"session": ended}, nil))
	})
	if err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	if ended != "" {
		s.seen.revoke(s.now(), ended)
	}
	return nil
}

func wellFormedRefresh(text string) bool {
	return len(text) == len(refreshMark)+refreshDigits && strings.HasPrefix(text, refreshMark)
}
