package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/publicid"
)

// Attempt is one login by name and password.
type Attempt struct {
	Name, Password string
	Address        netip.Addr // whence; failures are counted by it
	RequestID      string
}

// errWrongLogin is the one answer to every login that fails, so that it tells
// neither who exists nor who is disabled or locked.
func errWrongLogin() error {
	return fault.New(fault.BadCredentials, "name or password is wrong, or this account cannot log in now")
}

// trier is who tries a login, as far as failures are counted.
type trier struct {
	address [32]byte
	account [32]byte // the name: alone for strangers, with the address where its user has logged in before
	user    sqlgen.AccessUser
	known   bool // user exists
	atHome  bool
}

// Login opens a session. Its answers and its work are the same whether the name
// exists or not: a wrong login is BadCredentials, one that comes too soon after
// others is RateLimited and costs a look-up at most.
func (s *Store) Login(ctx context.Context, a Attempt) (Grant, error) {
	t, err := s.beginLogin(ctx, a)
	if err != nil {
		return Grant{}, err
	}
	good, current, err := s.hasher.check(ctx, t.user.PasswordHash, a.Password)
	if err != nil {
		return Grant{}, s.notTheirs(t, err)
	}
	renewed := t.user.PasswordHash
	if good && !current { // its cost is of former times
		if renewed, err = s.hasher.make(ctx, a.Password); err != nil {
			return Grant{}, s.notTheirs(t, err)
		}
	}
	var g Grant
	var opened bool
	err = db.InTx(ctx, s.pool, func(tx db.Tx) (err error) {
		if good {
			g, opened, err = s.openSession(ctx, tx, t, renewed, a.RequestID)
		}
		if err == nil && !opened {
			err = s.countFailure(ctx, tx, t, a.RequestID)
		}
		return err
	})
	if err != nil {
		return Grant{}, fmt.Errorf("login: %w", err)
	}
	if !opened {
		return Grant{}, errWrongLogin()
	}
	s.addresses.undo(t.address)
	s.accounts.forgive(t.account)
	return g, nil
}

// beginLogin counts the try and finds out by whom it is. Strangers who try a
// name share what they may get wrong; the user, where it has logged in before,
// has an allowance of its own there, which they cannot use up.
func (s *Store) beginLogin(ctx context.Context, a Attempt) (trier, error) {
	now := s.now()
	t := trier{address: watchedAddress(a.Address), account: watchedName(a.Name)}
	if wait := s.addresses.begin(t.address, now); wait > 0 {
		return t, tooSoon(wait, "too many failed logins from this address; wait")
	}
	if err := s.findUser(ctx, a.Name, &t); err != nil {
		s.addresses.undo(t.address)
		return t, err
	}
	if t.atHome {
		t.account = watchedAt(a.Name, t.address)
	}
	if wait := s.accounts.begin(t.account, now); wait > 0 {
		return t, tooSoon(wait, "too many failed logins by this name; wait")
	}
	return t, nil
}

// findUser finds who logs in. What is no name at all is not asked for: the
// database refuses some characters.
func (s *Store) findUser(ctx context.Context, name string, t *trier) error {
	if !keyNames.MatchString(name) {
		return nil
	}
	row, err := s.query.UserWhoLogsIn(ctx, sqlgen.UserWhoLogsInParams{Name: name, Place: t.address[:]})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look up user: %w", err)
	}
	t.user, t.known, t.atHome = row.AccessUser, true, row.AtHome
	return nil
}

// notTheirs takes a try back that failed for a reason of ours.
func (s *Store) notTheirs(t trier, err error) error {
	s.addresses.undo(t.address)
	s.accounts.undo(t.account)
	return err
}

// openSession opens the session of a user whose password was right, when
// nothing else stands against it.
func (s *Store) openSession(ctx context.Context, tx db.Tx, t trier, renewed, requestID string) (g Grant, opened bool, err error) {
	q, now := sqlgen.New(tx), s.now()
	user, err := q.LockUser(ctx, t.user.UserID)
	if err != nil || user.DisabledAt != nil || user.PasswordHash != t.user.PasswordHash {
		return g, false, err
	}
	until, err := q.LockedUntil(ctx, t.account[:])
	if err != nil && !errors.Is(err, pgx.ErrNoRows) || until != nil && now.Before(*until) {
		return g, false, ignoreNoRows(err)
	}
	if err := q.LoginSucceeded(ctx, sqlgen.LoginSucceededParams{UserID: user.UserID, LastLoginAt: &now, PasswordHash: renewed}); err != nil {
		return g, false, err
	}
	if err := s.settleIn(ctx, q, t, now); err != nil {
		return g, false, err
	}
	session := publicid.New("session")
	err = q.InsertSession(ctx, sqlgen.InsertSessionParams{
		SessionID: session, UserID: user.UserID, CreatedAt: now, ExpiresAt: now.Add(refreshLife),
	})
	if err != nil {
		return g, false, err
	}
	if g, err = s.grant(ctx, q, user, session, now); err != nil {
		return g, false, err
	}
	by := audit.By{Actor: user.UserID, RequestID: requestID}
	return g, true, audit.Write(ctx, tx, by.Record("user.login", user.UserID, nil, map[string]any{"session": session}))
}

// settleIn forgives what went wrong before and makes the user at home there.
func (s *Store) settleIn(ctx context.Context, q *sqlgen.Queries, t trier, now time.Time) error {
	if err := q.ForgetFailures(ctx, t.account[:]); err != nil {
		return err
	}
	if err := q.KeepPlace(ctx, sqlgen.KeepPlaceParams{UserID: t.user.UserID, Place: t.address[:], LastAt: now}); err != nil {
		return err
	}
	return q.ForgetOldestPlaces(ctx, sqlgen.ForgetOldestPlacesParams{UserID: t.user.UserID, Keep: mostPlaces})
}

// countFailure counts a failure where it also holds after a restart. A try
// while a lock holds does not prolong it. It does the same for names that do
// not exist; their text is not written down, since it may be a password that
// was typed into the wrong field.
func (s *Store) countFailure(ctx context.Context, tx db.Tx, t trier, requestID string) error {
	q, now := sqlgen.New(tx), s.now()
	count, err := q.CountFailure(ctx, sqlgen.CountFailureParams{Who: t.account[:], At: now, ForgetBefore: now.Add(-forgetAfter)})
	if err != nil {
		return ignoreNoRows(err)
	}
	wait := backoff(int(count), freeTriesAccount)
	if wait == 0 {
		return nil
	}
	until := now.Add(wait).UTC()
	if err := q.LockAttempts(ctx, sqlgen.LockAttemptsParams{Who: t.account[:], Until: until}); err != nil {
		return err
	}
	return recordLock(ctx, tx, t, requestID, map[string]any{"failed_logins": count, "until": until, "at_home": t.atHome})
}

// recordLock writes that an account is locked. For a name that does not exist
// it takes the same steps and takes them back: strangers must neither learn
// that nor fill a log that is never shortened.
func recordLock(ctx context.Context, tx db.Tx, t trier, requestID string, after any) error {
	step, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	by := audit.By{Actor: audit.System, RequestID: requestID}
	if err := audit.Write(ctx, step, by.Record("user.lock", t.user.UserID, nil, after)); err != nil {
		return err // the whole transaction ends with it
	}
	if !t.known {
		return step.Rollback(ctx)
	}
	return step.Commit(ctx)
}

func ignoreNoRows(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// RemoveExpired forgets sessions that nobody can refresh any more, failed logins
// that count no more, and addresses that nobody logged in from for long.
func (s *Store) RemoveExpired(ctx context.Context) error {
	now := s.now()
	if err := s.query.RemoveExpiredSessions(ctx, now); err != nil {
		return fmt.Errorf("remove expired sessions: %w", err)
	}
	if err := s.query.RemoveOldFailures(ctx, now.Add(-forgetAfter)); err != nil {
		return fmt.Errorf("remove old failed logins: %w", err)
	}
	if err := s.query.RemoveOldPlaces(ctx, now.Add(-placeLife)); err != nil {
		return fmt.Errorf("remove old places of logins: %w", err)
	}
	return nil
}
