package tty_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lucid.internal/coordinator/cmd/internal/tty"
)

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestDevNullIsNoTerminal(t *testing.T) {
	if tty.Is(open(t, os.DevNull)) {
		t.Error(os.DevNull + " is taken for a terminal")
	}
	if !tty.Is(open(t, "/dev/ptmx")) {
		t.Error("a terminal is not taken for one")
	}
}

func TestEchoIsOffUntilItIsRestored(t *testing.T) {
	terminal := open(t, "/dev/ptmx")
	modes := func() uint32 {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag
	}
	before := modes()
	restore, err := tty.Silence(terminal)
	if err != nil {
		t.Fatal(err)
	}
	if got := modes(); before&unix.ECHO == 0 || got != before&^unix.ECHO {
		t.Errorf("modes %b became %b; want them without echo", before, got)
	}
	restore()
	if got := modes(); got != before {
		t.Errorf("modes %b after the restoration, %b before", got, before)
	}
	if _, err := tty.Silence(open(t, os.DevNull)); err == nil {
		t.Error(os.DevNull + " was silenced")
	}
}
