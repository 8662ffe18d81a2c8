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
