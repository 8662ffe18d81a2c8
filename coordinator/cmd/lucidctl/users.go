package main

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/client"
)

type usersCmd struct {
	List    usersListCmd    `cmd:"" help:"List users."`
	Add     usersAddCmd     `cmd:"" help:"Make a user who can log in."`
	Disable usersDisableCmd `cmd:"" help:"Let a user log in no more, and end all of the user's sessions."`
	Enable  usersEnableCmd  `cmd:"" help:"Let a disabled user log in again."`
	Passwd  usersPasswdCmd  `cmd:"" help:"Give a user a new password, and end all of the user's sessions."`
}

func userColumns() []column[client.User] {
	return []column[client.User]{
		{"user_id", false, func(u client.User) any { return u.UserId }},
		{"name", false, func(u client.User) any { return u.Name }},
		{"role", false, func(u client.User) any { return u.Role }},
		{"email", false, func(u client.User) any { return u.Email }},
		{"last_login_at", false, func(u client.User) any { return u.LastLoginAt }},
		{"locked_until", true, func(u client.User) any { return u.LockedUntil }},
		{"disabled_at", false, func(u client.User) any { return u.DisabledAt }},
		{"created_at", true, func(u client.User) any { return u.CreatedAt }},
		{"updated_at", true, func(u client.User) any { return u.UpdatedAt }},
	}
}

type usersListCmd struct{ paging }

// Run lists users.
func (c *usersListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	users, err := gather(a, c.paging, func(at place) ([]client.User, *string, bool, error) {
		l, err := answer[client.UserList](api.ListUsers(ctx, &client.ListUsersParams{Page: at.page, Limit: at.limit}))
		return l.Users, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, users, userColumns())
}

type usersAddCmd struct {
	Name          string `arg:"" help:"3 to 100 letters, digits, _ or -."`
	Role          string `enum:"viewer,operator,admin" default:"viewer" help:"viewer, operator or admin."`
	Email         string `placeholder:"ADDRESS" help:"E-mail address."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
}

// Run makes a user.
func (c *usersAddCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	password, err := a.newPassword(ctx, c.PasswordStdin)
	if err != nil {
		return err
	}
	body := client.NewUser{Name: c.Name, Role: c.Role, Email: given(c.Email), Password: password}
	u, err := answer[client.User](api.CreateUser(ctx, body))
	if err != nil {
		return err
	}
	return show(a.printer, u, userColumns())
}

// oneUser is the argument of what is about a user.
type oneUser struct {
	ID string `arg:"" name:"user_id" help:"Id of the user."`
}

func (c oneUser) change(ctx context.Context, a *app, to client.UserChange) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.UpdateUser(ctx, c.ID, to)
	}, userColumns())
}

type usersDisableCmd struct{ oneUser }

// Run disables a user, after asking.
func (c *usersDisableCmd) Run(ctx context.Context, a *app) error {
	if err := a.confirm(ctx, "Disable %s?", c.ID); err != nil {
		return err
	}
	disabled := true
	return c.change(ctx, a, client.UserChange{Disabled: &disabled})
}

type usersEnableCmd struct{ oneUser }

// Run enables a user.
func (c *usersEnableCmd) Run(ctx context.Context, a *app) error {
	disabled := false
	return c.change(ctx, a, client.UserChange{Disabled: &disabled})
}

type usersPasswdCmd struct {
	oneUser
	PasswordStdin bool `help:"Read the password from standard input instead of asking for it."`
}

// Run sets a user's password.
func (c *usersPasswdCmd) Run(ctx context.Context, a *app) error {
	password, err := a.newPassword(ctx, c.PasswordStdin)
	if err != nil {
		return err
	}
	return c.change(ctx, a, client.UserChange{Password: &password})
}
