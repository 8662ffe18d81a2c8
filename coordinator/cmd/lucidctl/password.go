package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"lucid.internal/coordinator/cmd/internal/tty"
)

// password reads a password from standard input, or asks for it.
func (a *app) password(ctx context.Context, fromStdin bool, what string) (string, error) {
	if fromStdin {
		line, err := typedLine(ctx, a.in)
		if errors.Is(err, errInterrupted) {
			return "", err
		}
		if line == "" {
			return "", usage("no password came on standard input (%w)", cmp.Or(err, errors.New("an empty line")))
		}
		return line, nil
	}
	in, isFile := a.in.(*os.File)
	if !a.inIsTerminal || !isFile || a.cli.NoInput {
		return "", usage("no terminal to ask for the password on: use --password-stdin")
	}
	return a.askSilently(ctx, in, what)
}

// newPassword is password for one that is being chosen: asked for twice.
func (a *app) newPassword(ctx context.Context, fromStdin bool) (string, error) {
	chosen, err := a.password(ctx, fromStdin, "New password")
	if err != nil || fromStdin {
		return chosen, err
	}
	again, err := a.password(ctx, false, "Once more")
	if err == nil && again != chosen {
		err = usage("the two passwords differ")
	}
	return chosen, err
}

// askSilently asks without showing what is typed. The echo is off before the
// prompt is there, and comes back however that ends, also by a signal.
func (a *app) askSilently(ctx context.Context, in *os.File, what string) (string, error) {
	restore, err := tty.Silence(in)
	if err != nil {
		return "", err
	}
	defer restore()
	fmt.Fprintf(a.notes, "%s: ", what)
	defer fmt.Fprintln(a.notes)
	return typedLine(ctx, in)
}
