package main

import "testing"

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
