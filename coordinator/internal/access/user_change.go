package access

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
)

// UserChange says what to change; nil leaves as it is.
type UserChange struct {
	Email    *string // "" takes it away
	Role     *Role
	Password *string
	Disabled *bool
}

// Check tells every bad field at once.
func (c UserChange) Check() error {
	email, role := "", Viewer
	set(&email, c.Email)
	set(&role, c.Role)
	bad := checkUser("any", email, role)
	if c.Password != nil {
		bad = append(bad, checkPassword(*c.Password)...)
	}
	if bad != nil {
		return fault.New(fault.Validation, "the user cannot be changed").WithFields(bad...)
	}
	return nil
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// ChangeUser changes a user. A new role, a new password and disabling end all
// the user's sessions, so that what was granted before does not live on; a new
// password also forgives failed logins, and makes the user a stranger
// everywhere: whoever had the old one may have been at home.
func (s *Store) ChangeUser(ctx context.Context, by audit.By, id string, c UserChange) (User, error) {
	if err := c.Check(); err != nil {
		return User{}, err
	}
	stored := ""
	if c.Password != nil {
		var err error
		if stored, err = s.hasher.make(ctx, *c.Password); err != nil {
			return User{}, err
		}
	}
	var after User
	var ended []string
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		row, err := q.LockUser(ctx, id)
		if err != nil {
			return err
		}
		before := userOf(row)
		s.apply(&row, c, stored)
		after, ended = userOf(row), nil
		if c.Password != nil || after.Role != before.Role || after.DisabledAt != nil {
			ended, err = q.EndSessions(ctx, sqlgen.EndSessionsParams{UserID: id, At: s.now(), Reason: endedByChange})
		}
		if err != nil {
			return err
		}
		if err := q.UpdateUser(ctx, updateOf(row)); err != nil {
			return err
		}
		name := watchedName(after.Name)
		if c.Password != nil {
			if err := forgetLogins(ctx, q, id, name); err != nil {
				return err
			}
		}
		if after.LockedUntil, err = q.LockedUntil(ctx, name[:]); ignoreNoRows(err) != nil {
			return err
		}
		record := after.record()
		record["password_changed"], record["sessions_ended"] = c.Password != nil, len(ended)
		return audit.Write(ctx, tx, by.Record("user.update", id, before.record(), record))
	})
	if err != nil {
		return User{}, userFault(err, "change user "+id)
	}
	s.seen.revoke(s.now(), ended...)
	if c.Password != nil {
		s.accounts.forgive(watchedName(after.Name))
	}
	return after, nil
}

// forgetLogins forgives a user's failed logins, and knows no place any more that the
// user logged in from.
func forgetLogins(ctx context.Context, q *sqlgen.Queries, id string, name [32]byte) error {
	if err := q.ForgetFailures(ctx, name[:]); err != nil {
		return err
	}
	return q.ForgetPlaces(ctx, id)
}

// apply puts the change into the row.
func (s *Store) apply(row *sqlgen.AccessUser, c UserChange, stored string) {
	row.UpdatedAt = s.now().UTC().Truncate(time.Microsecond)
	if c.Email != nil {
		row.Email = textOrNull(*c.Email)
	}
	if c.Role != nil {
		row.Role = string(*c.Role)
	}
	if c.Password != nil {
		row.PasswordHash = stored
	}
	if c.Disabled != nil && *c.Disabled != (row.DisabledAt != nil) {
		row.DisabledAt = nil
		if *c.Disabled {
			row.DisabledAt = &row.UpdatedAt
		}
	}
}

func updateOf(r sqlgen.AccessUser) sqlgen.UpdateUserParams {
	return sqlgen.UpdateUserParams{
		UserID: r.UserID, Email: r.Email, Role: r.Role, PasswordHash: r.PasswordHash, DisabledAt: r.DisabledAt,
		UpdatedAt: r.UpdatedAt,
	}
}
