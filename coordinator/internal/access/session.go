package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
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

// Attempt is one login by name and password.
type Attempt struct {
	Name, Password string
	Address        netip.Addr // whence; failures are counted by it
	RequestID      string
}

// Grant is what a login or a refresh gives.
type Grant struct {
	Token          Token
	Role           Role
	Refresh        string // shown only now; good once
	RefreshExpires time.Time
}

// errWrongLogin is the one answer to every login that fails, so that it tells
// neither who exists nor who is disabled or locked.
func errWrongLogin() error {
	return fault.New(fault.BadCredentials, "name or password is wrong, or this account cannot log in now")
}

// Login opens a session. Its answers and its work are the same whether the name
// exists or not: a wrong login is BadCredentials, one that comes too soon after
// others is RateLimited and costs nothing.
func (s *Store) Login(ctx context.Context, a Attempt) (Grant, error) {
	now, address, account := s.now(), watchedAddress(a.Address), watchedName(a.Name)
	if wait := s.addresses.begin(address, now); wait > 0 {
		return Grant{}, tooSoon(wait, "too many failed logins from this address; wait")
	}
	if wait := s.accounts.begin(account, now); wait > 0 {
		return Grant{}, tooSoon(wait, "too many failed logins by this name; wait")
	}
	row, known, err := s.userNamed(ctx, a.Name)
	if err != nil {
		return Grant{}, s.notTheirs(address, account, err)
	}
	good, current, err := s.hasher.check(ctx, row.PasswordHash, a.Password)
	if err != nil {
		return Grant{}, s.notTheirs(address, account, err)
	}
	if !known {
		return Grant{}, errWrongLogin()
	}
	renewed := row.PasswordHash
	if good && !current { // its cost is of former times
		if renewed, err = s.hasher.make(ctx, a.Password); err != nil {
			return Grant{}, err
		}
	}
	g, opened, err := s.settle(ctx, row, good, renewed, a.RequestID)
	if err != nil {
		return Grant{}, fmt.Errorf("login of %s: %w", row.UserID, err)
	}
	if !opened {
		return Grant{}, errWrongLogin()
	}
	s.addresses.undo(address)
	s.accounts.forgive(account)
	return g, nil
}

// userNamed finds who logs in. What is no name at all is not asked for: the
// database refuses some characters.
func (s *Store) userNamed(ctx context.Context, name string) (row sqlgen.AccessUser, known bool, err error) {
	if !keyNames.MatchString(name) {
		return row, false, nil
	}
	row, err = s.query.UserByName(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return sqlgen.AccessUser{}, false, nil
	} else if err != nil {
		return sqlgen.AccessUser{}, false, fmt.Errorf("look up user: %w", err)
	}
	return row, true, nil
}

// notTheirs takes a try back that failed for a reason of ours.
func (s *Store) notTheirs(address, account [32]byte, err error) error {
	s.addresses.undo(address)
	s.accounts.undo(account)
	return err
}

// settle records how the login of a known user ended, and opens the session
// when the password was right and nothing stands against it.
func (s *Store) settle(ctx context.Context, seen sqlgen.AccessUser, good bool, renewed, requestID string) (g Grant, opened bool, err error) {
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q, now := sqlgen.New(tx), s.now()
		user, err := q.LockUser(ctx, seen.UserID)
		if err != nil {
			return err
		}
		locked := user.LockedUntil != nil && now.Before(*user.LockedUntil)
		opened = good && !locked && user.DisabledAt == nil && user.PasswordHash == seen.PasswordHash
		if !opened {
			return s.failed(ctx, tx, user, locked, requestID)
		}
		if err := q.LoginSucceeded(ctx, sqlgen.LoginSucceededParams{UserID: user.UserID, LastLoginAt: &now, PasswordHash: renewed}); err != nil {
			return err
		}
		session := "session_" + randomHex(8)
		err = q.InsertSession(ctx, sqlgen.InsertSessionParams{
			SessionID: session, UserID: user.UserID, CreatedAt: now, ExpiresAt: now.Add(refreshLife),
		})
		if err != nil {
			return err
		}
		if g, err = s.grant(ctx, q, user, session, now); err != nil {
			return err
		}
		by := audit.By{Actor: user.UserID, RequestID: requestID}
		return audit.Write(ctx, tx, by.Record("user.login", user.UserID, nil, map[string]any{"session": session}))
	})
	return g, opened, err
}

// failed counts a failure with the account, which also holds after a restart.
// A try while the account is locked does not prolong the lock; long after one,
// what was before counts no more.
func (s *Store) failed(ctx context.Context, tx db.Tx, user sqlgen.AccessUser, locked bool, requestID string) error {
	if locked {
		return nil
	}
	count := user.FailedCount + 1
	if user.LockedUntil != nil && s.now().Sub(*user.LockedUntil) > forgetAfter {
		count = 1
	}
	var until *time.Time
	if wait := backoff(int(count), freeTriesAccount); wait > 0 {
		at := s.now().Add(wait).UTC()
		until = &at
	}
	err := sqlgen.New(tx).LoginFailed(ctx, sqlgen.LoginFailedParams{UserID: user.UserID, FailedCount: count, LockedUntil: until})
	if err != nil || until == nil {
		return err
	}
	by := audit.By{Actor: audit.System, RequestID: requestID}
	return audit.Write(ctx, tx, by.Record("user.lock", user.UserID, nil, map[string]any{"failed_logins": count, "until": until}))
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
		if errors.Is(err, pgx.ErrNoRows) || err == nil && row.EndedAt != nil {
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

// RemoveExpiredSessions forgets sessions that nobody can refresh any more.
func (s *Store) RemoveExpiredSessions(ctx context.Context) error {
	if err := s.query.RemoveExpiredSessions(ctx, s.now()); err != nil {
		return fmt.Errorf("remove expired sessions: %w", err)
	}
	return nil
}

func wellFormedRefresh(text string) bool {
	return len(text) == len(refreshMark)+refreshDigits && strings.HasPrefix(text, refreshMark)
}
