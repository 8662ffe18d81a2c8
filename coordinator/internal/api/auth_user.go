package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) userOperations() {
	register(s, operation{
		id: "listUsers", method: http.MethodGet, path: basePath + "/users", collection: true, tag: "access", role: access.Admin,
		summary: "List users", description: "Newest first, disabled ones included.",
		example: userListBody{Users: []userBody{exampleUser()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listUsers)
	register(s, operation{
		id: "createUser", method: http.MethodPost, path: basePath + "/users", collection: true, tag: "access", role: access.Admin,
		status: http.StatusCreated, summary: "Make a user", description: "The user can log in at once.",
		errors: []fault.Code{fault.NameTaken, fault.RateLimited}, example: exampleUser(),
		request: newUserBody{Name: "ada", Email: "ada@example.org", Role: "operator", Password: "a sentence of her own"},
	}, s.createUser)
	register(s, operation{
		id: "updateUser", method: http.MethodPatch, path: basePath + "/users/{user_id}", tag: "access", role: access.Admin,
		summary: "Change a user",
		description: "What is left out stays. A new role, a new password and disabling end all of the user's sessions; admin operations and money are " +
			"closed to a disabled user at once, others at the latest when the token expires.",
		errors: []fault.Code{fault.OtherNotFound, fault.NameTaken, fault.RateLimited}, example: exampleUser(),
		request: userChangeBody{Role: orNil("operator")},
	}, s.updateUser)
}

type userBody struct {
	UserID      string     `json:"user_id"`
	Name        string     `json:"name"`
	Email       *string    `json:"email"`
	Role        string     `json:"role" enum:"viewer,operator,admin"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	LastLoginAt *time.Time `json:"last_login_at"`
	LockedUntil *time.Time `json:"locked_until" doc:"After failed logins; null when nothing has to be waited for."`
	DisabledAt  *time.Time `json:"disabled_at" doc:"null: may log in."`
}

type userListBody struct {
	Users      []userBody `json:"users" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

type newUserBody struct {
	Name     string `json:"name" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -" maxLength:"100" example:"ada" doc:"Unique, also when case is left aside."`
	Email    string `json:"email,omitempty" maxLength:"254" example:"ada@example.org" doc:"Unique."`
	Role     string `json:"role" enum:"viewer,operator,admin"`
	Password string `json:"password" minLength:"12" maxLength:"200" format:"password" doc:"12 to 200 characters."`
}

type userChangeBody struct {
	Email    *string `json:"email,omitempty" maxLength:"254" doc:"Empty takes it away."`
	Role     *string `json:"role,omitempty" enum:"viewer,operator,admin"`
	Password *string `json:"password,omitempty" minLength:"12" maxLength:"200" format:"password"`
	Disabled *bool   `json:"disabled,omitempty"`
}

type userChangeInput struct {
	UserID string `path:"user_id" pattern:"^user_[a-zA-Z0-9]+$" patternDescription:"a user's id" maxLength:"64" example:"user_4f1c2a" doc:"Id of the user."`
	Body   userChangeBody
}

func (s *server) listUsers(ctx context.Context, in *PageInput) (*answer[userListBody], error) {
	users, total, err := s.Access.Users(ctx, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(userListBody{shape(users, s.shapeUser), in.of(total)})
}

type createUserInput struct{ Body newUserBody }

func (in *createUserInput) user() access.NewUser {
	return access.NewUser{Name: in.Body.Name, Email: in.Body.Email, Role: access.Role(in.Body.Role), Password: in.Body.Password}
}

// Resolve asks the noun.
func (in *createUserInput) Resolve(huma.Context) []error {
	return complaints("body", in.user().Check())
}

func (s *server) createUser(ctx context.Context, in *createUserInput) (*answer[userBody], error) {
	u, err := s.Access.AddUser(ctx, by(ctx), in.user())
	if err != nil {
		return nil, err
	}
	return answered(s.shapeUser(u))
}

func (in *userChangeInput) change() access.UserChange {
	return access.UserChange{
		Email: in.Body.Email, Role: (*access.Role)(in.Body.Role), Password: in.Body.Password, Disabled: in.Body.Disabled,
	}
}

// Resolve asks the noun.
func (in *userChangeInput) Resolve(huma.Context) []error {
	return complaints("body", in.change().Check())
}

func (s *server) updateUser(ctx context.Context, in *userChangeInput) (*answer[userBody], error) {
	u, err := s.Access.ChangeUser(ctx, by(ctx), in.UserID, in.change())
	if err != nil {
		return nil, err
	}
	return answered(s.shapeUser(u))
}

func (s *server) shapeUser(u access.User) userBody {
	b := shapeUserRow(u)
	if u.LockedUntil != nil && !u.LockedUntil.After(s.Now()) {
		b.LockedUntil = nil
	}
	return b
}

func shapeUserRow(u access.User) userBody {
	return userBody{
		UserID: u.ID, Name: u.Name, Email: orNil(u.Email), Role: string(u.Role), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
		LastLoginAt: u.LastLoginAt, LockedUntil: u.LockedUntil, DisabledAt: u.DisabledAt,
	}
}

func exampleUser() userBody {
	at := exampleTime()
	return shapeUserRow(access.User{
		ID: "user_4f1c2a", Name: "ada", Email: "ada@example.org", Role: access.Operator, CreatedAt: at, UpdatedAt: at, LastLoginAt: &at,
	})
}
