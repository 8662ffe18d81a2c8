package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// password reads a password from standard input, or asks for it.
func (a *app) password(fromStdin bool, what string) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", usage("no password came on standard input (%w)", cmp.Or(err, errors.New("an empty line")))
		}
		return line, nil
	}
	in, isFile := a.in.(*os.File)
	if !a.inIsTerminal || !isFile || a.cli.NoInput {
		return "", usage("there is nobody to ask for the password: give it with --password-stdin")
	}
	return a.askSilently(in, what)
}

// newPassword is password for one that is being chosen: asked for twice.
func (a *app) newPassword(fromStdin bool) (string, error) {
	chosen, err := a.password(fromStdin, "New password")
	if err != nil || fromStdin {
		return chosen, err
	}
	again, err := a.password(false, "Once more")
	if err == nil && again != chosen {
		err = usage("the two passwords differ")
	}
	return chosen, err
}

// askSilently asks without showing what is typed.
func (a *app) askSilently(in *os.File, what string) (string, error) {
	fmt.Fprintf(a.notes, "%s: ", what)
	defer fmt.Fprintln(a.notes)
	before, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, before) }()
	line, err := bufio.NewReader(in).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
