package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/agent/internal/coordtest"
)

// enrolledNode is a coordinator and the state folder of a machine that enrolled
// with it.
func enrolledNode(t *testing.T) (*coordtest.Enrolment, string) {
	t.Helper()
	dir := t.TempDir()
	enrolment := coordtest.NewEnrolment(t, coordtest.NewAuthority(t), false, []string{"127.0.0.1:1"}, "token")
	file, state := filepath.Join(dir, "enroll.toml"), filepath.Join(dir, "state")
	if err := os.WriteFile(file, []byte(enrolment.Ticket("token")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := command(t.Context(), []string{"enroll", "--file", file, "--state-dir", state}, &out, &out); code != 0 {
		t.Fatal(&out)
	}
	return enrolment, state
}

// TestUnenroll: what a machine that is told to give its node up says and keeps.
func TestUnenroll(t *testing.T) {
	enrolment, state := enrolledNode(t)
	enrolment.OnUnenroll = func(w http.ResponseWriter) bool { // once: a coordinator's proxy, say
		w.WriteHeader(http.StatusBadGateway)
		enrolment.OnUnenroll = nil
		return true
	}
	identity := filepath.Join(state, "identity.json")
	for _, c := range []struct {
		args     string
		code     int
		want     string
		enrolled bool // afterwards
	}{
		{"--coordinator https://127.0.0.1:1", 1, "the identity is still here: run it again once that is mended, or with --force", true},
		{"", 1, "HTTP status 502", true}, // the answer is lost on its way, and the node is given up
		{"", 0, "node_test is given up", false},
		{"", 0, "nothing to give up: this machine is not enrolled: no identity in " + state, false},
	} {
		var out bytes.Buffer
		code := command(t.Context(), append([]string{"unenroll", "--state-dir", state}, strings.Fields(c.args)...), &out, &out)
		_, err := os.Stat(identity)
		if code != c.code || !strings.Contains(out.String(), c.want) || (err == nil) != c.enrolled {
			t.Errorf("%s: code %d, identity %v\n%s", c.args, code, err, &out)
		}
	}
}

// A folder that is not there is no node that was given up: who believes so purges
// the package, and the keys with it.
func TestUnenrollWithoutAFolder(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, args := range [][]string{{"unenroll", "--state-dir", none}, {"unenroll", "--force", "--state-dir", none}} {
		var stdout, stderr bytes.Buffer
		code := command(t.Context(), args, &stdout, &stderr)
		if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "there is no folder "+none) || !strings.Contains(stderr.String(), "--state-dir") {
			t.Errorf("%q: code %d\n%s%s", args, code, &stdout, &stderr)
		}
	}
}

// By force the machine forgets, and says who has to be asked for the rest.
func TestUnenrollByForce(t *testing.T) {
	_, state := enrolledNode(t)
	var out bytes.Buffer
	code := command(t.Context(), []string{"unenroll", "--force", "--coordinator", "https://127.0.0.1:1", "--state-dir", state}, &out, &out)
	if code != 0 || !strings.Contains(out.String(), "connection refused") || !strings.Contains(out.String(), "lucidctl nodes delete node_test") {
		t.Errorf("code %d\n%s", code, &out)
	}
	if _, err := os.Stat(filepath.Join(state, "identity.json")); !os.IsNotExist(err) {
		t.Errorf("the identity: %v", err)
	}
}
