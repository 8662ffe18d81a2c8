package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lucid.internal/coordinator/internal/access"
)

// interrupter is the notes of a run that is interrupted at a prompt.
type interrupter struct {
	bytes.Buffer
	prompt   string
	atPrompt func()
}

func (i *interrupter) Write(text []byte) (int, error) {
	if strings.HasSuffix(string(text), i.prompt) {
		i.atPrompt()
	}
	return i.Buffer.Write(text)
}

// interrupt runs a command whose input never comes, until its prompt.
func (f *fleet) interrupt(in io.Reader, prompt string, atPrompt func(), args ...string) (int, string) {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	notes := &interrupter{prompt: prompt, atPrompt: func() { atPrompt(); stop() }}
	code := run(ctx, append([]string{"--url", f.url, "--key", f.keys[access.Admin]}, args...),
		terminal{in: in, inIsTerminal: true, out: io.Discard, notes: notes, configFolder: f.home, now: time.Now})
	return code, notes.String()
}

func TestInterruptedAtAPrompt(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	silent, never := io.Pipe()
	defer never.Close()
	code, notes := f.interrupt(silent, "[y/N] ", func() {}, "nodes", "delete", nodeID)
	if code != exitFailed || !strings.HasSuffix(notes, "\nlucidctl: interrupted; nothing was changed\n") {
		t.Errorf("a question: exit code %d, %q", code, notes)
	}
	f.must("nodes", "get", nodeID)

	keyboard := newTerminal(t)
	before := echoes(t, keyboard)
	hidden := false
	code, notes = f.interrupt(keyboard, "New password: ", func() { hidden = !echoes(t, keyboard) }, "users", "add", "eve")
	if code != exitFailed || !strings.HasSuffix(notes, "\nlucidctl: interrupted; nothing was changed\n") {
		t.Errorf("a password: exit code %d, %q", code, notes)
	}
	if !before || !hidden || !echoes(t, keyboard) {
		t.Errorf("echo before %t, hidden at the prompt %t, echo after %t", before, hidden, echoes(t, keyboard))
	}
}

// newTerminal is a terminal at which nobody types.
func newTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	keyboard, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard // left open: the read that was left behind ends with the master
}

func echoes(t *testing.T, keyboard *os.File) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(keyboard.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}
