package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"lucid.internal/coordinator"
)

type userCmd struct {
	Add     userAddCmd     `cmd:"" help:"Make a user who can log in."`
	List    userListCmd    `cmd:"" help:"List the users."`
	Disable userDisableCmd `cmd:"" help:"Let a user log in no more, and end all of the user's sessions."`
	Enable  userEnableCmd  `cmd:"" help:"Let a disabled user log in again."`
	Passwd  userPasswdCmd  `cmd:"" help:"Give a user a new password, and end all of the user's sessions."`
}

type userAddCmd struct {
	settings
	Name          string `arg:"" help:"3 to 100 letters, digits, _ or -."`
	Role          string `enum:"viewer,operator,admin" default:"viewer" help:"viewer, operator or admin."`
	Email         string `placeholder:"ADDRESS" help:"E-mail address."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
}

// Run prints the new user's id.
func (c *userAddCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		password, err := newPassword(ctx, "password", c.PasswordStdin)
		if err != nil {
			return err
		}
		u, err := f.AddUser(ctx, coordinator.UserRequest{Name: c.Name, Email: c.Email, Role: c.Role, Password: password})
		if err != nil {
			return err
		}
		fmt.Println(u.ID)
		return nil
	})
}

type userListCmd struct{ settings }

// Run prints a table of the users.
func (c *userListCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		users, err := f.Users(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tNAME\tROLE\tEMAIL\tCREATED\tLAST LOGIN\tDISABLED")
		for _, u := range users {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, u.Name, u.Role, cmp.Or(u.Email, "-"),
				stamp(u.CreatedAt), stampOrNone(u.LastLoginAt), stampOrNone(u.DisabledAt))
		}
		return table.Flush()
	})
}

type userDisableCmd struct {
	settings
	Name string `arg:"" help:"Name of the user."`
}

// Run disables the user.
func (c *userDisableCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error { return f.DisableUser(ctx, c.Name, true) })
}

type userEnableCmd struct {
	settings
	Name string `arg:"" help:"Name of the user."`
}

// Run enables the user.
func (c *userEnableCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error { return f.DisableUser(ctx, c.Name, false) })
}

type userPasswdCmd struct {
	settings
	Name          string `arg:"" help:"Name of the user."`
	PasswordStdin bool   `help:"Read the password from standard input instead of asking for it."`
}

// Run sets the password.
func (c *userPasswdCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		password, err := newPassword(ctx, "password", c.PasswordStdin)
		if err != nil {
			return err
		}
		return f.SetPassword(ctx, c.Name, password)
	})
}

type signingKeyCmd struct {
	Rotate signingKeyRotateCmd `cmd:"" help:"Make the next key that signs tokens. Running coordinators take it over; no token ends early."`
}

type signingKeyRotateCmd struct{ settings }

// Run tells from when on the new key signs.
func (c *signingKeyRotateCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		from, err := f.RotateSigningKey(ctx)
		if err != nil {
			return err
		}
		fmt.Println("The new key signs from", stamp(from))
		return nil
	})
}
