package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/access/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/publicid"
)

// emails are checked for form only: whether one is read shows when it is used.
var emails = regexp.MustCompile(`^[^\s@[:cntrl:]]{1,64}@[^\s@[:cntrl:]]{1,189}$`)

// User is a person who logs in, without the password.
type User struct {
	ID          string // user_...
	Name        string // unique, also when case is left aside
	Email       string // "" for none
	Role        Role   // viewer, operator or admin
	CreatedAt   time.Time
	UpdatedAt   time.Time
	LastLoginAt *time.Time
	LockedUntil *time.Time // for strangers, after failed logins; may lie in the past
	DisabledAt  *time.Time // nil: may log in
}

// NewUser describes a user to be made. Email may be empty.
type NewUser struct {
	Name, Email string
	Role        Role
	Password    string
}

// UserChange says what to change; nil leaves as it is.
type UserChange struct {
	Email    *string // "" takes it away
	Role     *Role
	Password *string
	Disabled *bool
}

func userOf(r sqlgen.AccessUser) User {
	u := User{
		ID: r.UserID, Name: r.Name, Role: Role(r.Role), CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		LastLoginAt: r.LastLoginAt, DisabledAt: r.DisabledAt,
	}
	if r.Email != nil {
		u.Email = *r.Email
	}
	return u
}

// record is what the audit log keeps of a user.
func (u User) record() map[string]any {
	return map[string]any{"name": u.Name, "email": u.Email, "role": u.Role, "disabled": u.DisabledAt != nil}
}

func checkUser(name, email string, role Role) (bad []fault.Field) {
	if !keyNames.MatchString(name) {
		bad = append(bad, fault.Field{Name: "name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	if email != "" && !emails.MatchString(email) {
		bad = append(bad, fault.Field{Name: "email", Reason: "is not an e-mail address"})
	}
	if role != Viewer && role != Operator && role != Admin {
		bad = append(bad, fault.Field{Name: "role", Reason: "must be viewer, operator or admin"})
	}
	return bad
}

// Check tells every bad field at once.
func (n NewUser) Check() error {
	if bad := append(checkUser(n.Name, n.Email, n.Role), checkPassword(n.Password)...); bad != nil {
		return fault.New(fault.Validation, "the user cannot be made").WithFields(bad...)
	}
	return nil
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

// AddUser makes a user who can log in at once. A taken name or e-mail address
// is fault NameTaken.
func (s *Store) AddUser(ctx context.Context, by audit.By, n NewUser) (User, error) {
	if err := n.Check(); err != nil {
		return User{}, err
	}
	stored, err := s.hasher.make(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	at := s.now().UTC().Truncate(time.Microsecond)
	u := User{ID: publicid.New("user"), Name: n.Name, Email: n.Email, Role: n.Role, CreatedAt: at, UpdatedAt: at}
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		err := sqlgen.New(tx).InsertUser(ctx, sqlgen.InsertUserParams{
			UserID: u.ID, Name: u.Name, Email: textOrNull(u.Email), Role: string(u.Role), PasswordHash: stored, CreatedAt: at,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("user.create", u.ID, nil, u.record()))
	})
	if err != nil {
		return User{}, userFault(err, "store user "+u.Name)
	}
	return u, nil
}

// User reads one user.
func (s *Store) User(ctx context.Context, id string) (User, error) {
	row, err := s.query.UserByID(ctx, id)
	if err != nil {
		return User{}, userFault(err, "read user "+id)
	}
	return s.shown(ctx, row)
}

// UserNamed finds a user by name, in any case.
func (s *Store) UserNamed(ctx context.Context, name string) (User, error) {
	row, err := s.query.UserByName(ctx, name)
	if err != nil {
		return User{}, userFault(err, "read user "+name)
	}
	return s.shown(ctx, row)
}

// Users lists a page of users, newest first, and how many there are.
func (s *Store) Users(ctx context.Context, limit, offset int) ([]User, int, error) {
	total, err := s.query.CountUsers(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("count users: %w", err)
	}
	rows, err := s.query.ListUsers(ctx, sqlgen.ListUsersParams{AtMost: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("list users: %w", err)
	}
	users := make([]User, len(rows))
	for i, r := range rows {
		users[i] = userOf(r)
	}
	return users, int(total), s.readLocks(ctx, users)
}

// readLocks fills in until when each of the users is locked.
func (s *Store) readLocks(ctx context.Context, users []User) error {
	names, by := make([][]byte, len(users)), map[[32]byte]*User{}
	for i := range users {
		name := watchedName(users[i].Name)
		names[i], by[name] = name[:], &users[i]
	}
	rows, err := s.query.LocksOf(ctx, names)
	if err != nil {
		return fmt.Errorf("read the locks of users: %w", err)
	}
	for _, r := range rows {
		by[[32]byte(r.Who)].LockedUntil = r.LockedUntil
	}
	return nil
}

// shown is a user as it stands in the database, with its lock.
func (s *Store) shown(ctx context.Context, row sqlgen.AccessUser) (User, error) {
	users := []User{userOf(row)}
	err := s.readLocks(ctx, users)
	return users[0], err
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

// userFault says what of an error the caller may know.
func userFault(err error, doing string) error {
	switch db.Constraint(err) {
	case "access_user_name":
		return fault.New(fault.NameTaken, "another user has this name")
	case "access_user_email":
		return fault.New(fault.NameTaken, "another user has this e-mail address")
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.OtherNotFound, "no such user")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
