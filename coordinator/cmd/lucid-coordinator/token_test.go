package main

import (
	"strings"
	"testing"
)

func TestTokenForSeveralBoards(t *testing.T) {
	s := newShell(t)
	s.run("", "token", "create", "--serial", "10000000a1b2c3d4", "--serial", "10000000a1b2c3d5")
	const named = "SELECT (SELECT uses FROM enrolment_token) || ' uses, ' || count(*) || ' boards' FROM enrolment_board"
	if got := s.read(named); got != "2 uses, 2 boards" {
		t.Error(got)
	}
	if code := run([]string{"token", "create", "--serial", "10000000a1b2c3d4", "--serial", "10000000a1b2c3d4"}); code == 0 {
		t.Error("a board is named twice: exit code 0")
	}
}

// TestTokenSaysWhereItSendsDevices: the flags of a program that serves are not
// known to this one.
func TestTokenSaysWhereItSendsDevices(t *testing.T) {
	s := newShell(t)
	t.Setenv("LUCID_PUBLIC_HOSTS", "fleet.example")
	t.Setenv("LUCID_NODE_API_PORT", "9123")
	if said, want := s.warned("token", "create"), "devices are sent to https://fleet.example:9123, by the settings of this command"; !strings.Contains(said, want) {
		t.Errorf("it says %q, want %q", said, want)
	}
}
