// Package tty owns what the programs ask of a terminal: whether one is there, and
// that it does not show what is typed.
//
// It must never decide what is read from it, or told to it.
package tty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Is asks for what only a terminal has: /dev/null, which cron gives, is a character
// device too.
func Is(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Silence switches a terminal's echo off until restore is called. Lines and signals
// work meanwhile, however another program left the terminal.
func Silence(terminal *os.File) (restore func(), err error) {
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
