package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

func TestTokens(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home")
	file := filepath.Join(t.TempDir(), "serials.txt")
	if err := os.WriteFile(file, []byte("\ufeff10000000a1b2c3d4\r\n\n10000000a1b2c3d5"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := f.run("tokens", "create", "--pool", poolID, "--serial", "PF0,X 1", "--serials", file, "--life", "48h", "-o", "csv")
	if o.code != 0 || !strings.Contains(o.out, "enroll_") || !strings.Contains(o.out, ","+poolID+",3,") || !strings.Contains(o.notes, "only now") {
		t.Fatalf("%+v", o)
	}
	id := f.made("token_id", "tokens", "create", "--name", "attic-pi")
	f.must("tokens", "revoke", id, "--yes")
	if out := f.must("tokens", "list", "-o", "csv"); !strings.Contains(out, id+",revoked,") || strings.Contains(out, "enroll_") {
		t.Error(out)
	}
	if o := f.run("tokens", "create", "--serial", "10000000a1b2c3d4", "--serials", file); o.code != exitUsage || !strings.Contains(o.notes, `"10000000a1b2c3d4" comes twice`) {
		t.Errorf("a board that is named twice: %+v", o)
	}
	if err := os.WriteFile(file, []byte("10000000a1b2c3d4\x0010000000a1b2c3d5\x00"), 0o600); err != nil { // of two device trees, one after the other
		t.Fatal(err)
	}
	if out := f.must("tokens", "create", "--serials", file, "-o", "csv"); !strings.Contains(out, ",2,") {
		t.Errorf("two boards of device trees: %s", out)
	}
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"blank": file, "empty": os.DevNull} { // no boards are not any board
		if o := f.run("tokens", "create", "--serials", from); o.code != exitUsage {
			t.Errorf("%s file: %+v", name, o)
		}
	}
	if o := f.run("tokens", "create", "--life", "200h"); o.code != exitUsage {
		t.Errorf("a token for too long: %+v", o)
	}
}

// A token can be had once only, so its file is made before it is.
func TestTokenGoesIntoItsFile(t *testing.T) {
	f := newFleet(t)
	for name, args := range map[string][]string{"token": {"tokens", "create"}, "node": {"nodes", "create", "attic-pi"}, "JSON": {"tokens", "create", "-o", "json"}} {
		file := filepath.Join(t.TempDir(), "enroll.toml")
		args = append(args, "--file", file)
		o := f.run(args...)
		text, err := os.ReadFile(file)
		if token := strings.TrimSpace(strings.TrimPrefix(string(text), "token = ")); o.code != 0 || strings.Contains(o.out+o.notes, token) {
			t.Errorf("%s: %+v", name, o)
		}
		info, _ := os.Stat(file)
		if err != nil || !strings.HasPrefix(string(text), "token = enroll_") || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q %v, %v", name, text, info.Mode(), err)
		}
		if o = f.run(args...); o.code != exitFailed || !strings.Contains(o.notes, "no token is made") {
			t.Errorf("%s, its file there already: %+v", name, o)
		}
		if again, _ := os.ReadFile(file); string(again) != string(text) {
			t.Errorf("%s: the file became %q", name, again)
		}
	}
	refused := filepath.Join(t.TempDir(), "enroll.toml")
	if o := f.run("tokens", "create", "--life", "200h", "--file", refused); o.code != exitUsage {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(refused); !os.IsNotExist(err) {
		t.Errorf("a refused token left %v", err)
	}
}

func TestUsers(t *testing.T) {
	f := newFleet(t)
	typed := func(text string, args ...string) outcome {
		return f.at(terminal{in: strings.NewReader(text)}, append([]string{"--url", f.url, "--key", f.keys[access.Admin]}, args...)...)
	}
	if o := typed("a long enough one\n", "users", "add", "bob", "--role", "operator", "--password-stdin", "-o", "csv"); o.code != 0 || !strings.Contains(o.out, ",bob,operator,") {
		t.Fatalf("%+v", o)
	}
	if o := f.run("users", "add", "eve"); o.code != exitUsage || !strings.Contains(o.notes, "--password-stdin") {
		t.Errorf("there is nobody to ask: %+v", o)
	}
	login := func(password string) int {
		return f.at(terminal{in: strings.NewReader(password + "\n")}, "--url", f.url, "login", "bob", "--password-stdin").code
	}
	records, err := csv.NewReader(strings.NewReader(f.must("users", "list", "-o", "csv"))).ReadAll()
	if err != nil || len(records) != 3 || records[1][1] != "bob" {
		t.Fatalf("%v: %v", records, err)
	}
	id := records[1][0]
	if code := login("a long enough one"); code != 0 {
		t.Errorf("login: exit code %d", code)
	}
	f.must("users", "disable", id, "--yes")
	if code := login("a long enough one"); code != exitNotAllowed {
		t.Errorf("login of a disabled user: exit code %d", code)
	}
	f.must("users", "enable", id)
	if o := typed("another long one\n", "users", "passwd", id, "--password-stdin"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if code := login("another long one"); code != 0 {
		t.Errorf("login with the new password: exit code %d", code)
	}
}

// Moves are made as they were proposed, and only when somebody says so.
func TestApplyMoves(t *testing.T) {
	f := newFleet(t)
	full, empty := f.made("pool_id", "pools", "create", "full", "--max-nodes", "10"), f.made("pool_id", "pools", "create", "empty", "--max-nodes", "10")
	for n := range 10 {
		f.made("node_id", "nodes", "create", fmt.Sprint("pi-", n), "--pool", full)
	}
	if _, err := f.db.Exec(t.Context(), "UPDATE node SET status = 'active'; UPDATE pool_membership SET from_at = from_at - interval '2 hours'"); err != nil { // they work and have settled
		t.Fatal(err)
	}
	proposed := strings.Count(f.must("pools", "moves", "-o", "jsonl"), "\n")
	if proposed == 0 {
		t.Fatal("no moves are proposed")
	}
	if o := f.run("pools", "moves", "--apply"); o.code != exitUsage || f.count(empty) != 0 {
		t.Errorf("nobody was asked: %+v", o)
	}
	out := f.must("pools", "moves", "--apply", "--yes", "-o", "csv")
	if strings.Count(out, ",yes,")+strings.Count(out, ",true,") != proposed || f.count(empty) != proposed {
		t.Errorf("%d proposed, %d made:\n%s", proposed, f.count(empty), out)
	}
}

func (f *fleet) count(poolID string) int {
	f.t.Helper()
	return strings.Count(f.must("pools", "nodes", poolID, "-o", "jsonl"), "\n")
}

// Who is refused is told which of the keys that may be set was tried.
func TestRefusalsNameTheKeysSource(t *testing.T) {
	f := newFleet(t)
	stale, empty, two := f.file("stale.key", "lucid_gone"), f.file("empty.key", "\n"), f.file("two.key", "KEY ID  key_x\nAPI KEY  lucid_gone\n")
	for _, c := range []struct {
		key, keyFile string // of the environment
		flags        []string
		code         int
		want         string
	}{
		{"lucid_gone", stale, nil, exitNotAllowed, "the key is from LUCID_API_KEY; LUCID_API_KEY_FILE is ignored\n"},
		{"lucid_gone", "", nil, exitNotAllowed, "the key is from LUCID_API_KEY\n"},
		{"", stale, nil, exitNotAllowed, "the key is from LUCID_API_KEY_FILE " + stale + "\n"},
		{"other", "other", []string{"--key", "lucid_gone"}, exitNotAllowed, "the key is from --key\n"},
		{"other", "other", []string{"--key-file", stale}, exitNotAllowed, "the key is from --key-file " + stale + "\n"},
		{"", "nope", nil, exitUsage, "lucidctl: LUCID_API_KEY_FILE: open nope: "},
		{"", empty, nil, exitUsage, "lucidctl: LUCID_API_KEY_FILE " + empty + " is empty\n"},
		{"", two, nil, exitUsage, "lucidctl: LUCID_API_KEY_FILE " + two + " holds more than an API key: "},
		{"", "other", []string{"--key-file", "nope"}, exitUsage, "lucidctl: --key-file: open nope: "},
	} {
		t.Setenv("LUCID_API_KEY", c.key)
		t.Setenv("LUCID_API_KEY_FILE", c.keyFile)
		o := f.at(terminal{}, append([]string{"--url", f.url, "pools", "list"}, c.flags...)...)
		if o.code != c.code || !strings.Contains(o.notes, c.want) {
			t.Errorf("%+v: %+v", c, o)
		}
	}
	t.Setenv("LUCID_API_KEY", f.keys[access.Admin])
	if o := f.at(terminal{in: strings.NewReader("wrong\n")}, "--url", f.url, "login", "ada", "--password-stdin"); o.code != exitNotAllowed || strings.Contains(o.notes, "the key is from") {
		t.Errorf("a wrong password, for which no key was sent: %+v", o)
	}
}

// A flag goes before the environment, also when it says the same thing in
// another way.
func TestFlagsBeforeEnvironment(t *testing.T) {
	f := newFleet(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(f.keys[access.Admin]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	role := func(args ...string) string {
		o := f.at(terminal{}, append([]string{"--url", f.url, "whoami", "-o", "jsonl"}, args...)...)
		var i identity
		if err := json.Unmarshal([]byte(o.out), &i); err != nil {
			return fmt.Sprint(o.code)
		}
		return i.Role
	}
	t.Setenv("LUCID_API_KEY", f.keys[access.Viewer])
	t.Setenv("LUCID_API_KEY_FILE", file)
	for want, args := range map[string][]string{
		"viewer": nil, "admin": {"--key-file", file}, fmt.Sprint(exitUsage): {"--key", "x", "--key-file", file},
	} {
		if got := role(args...); got != want {
			t.Errorf("%v: %s, want %s", args, got, want)
		}
	}
	if got := role("--key", f.keys[access.Admin]); got != "admin" {
		t.Errorf("--key: %s", got)
	}
	t.Setenv("LUCID_API_KEY", "")
	if got := role(); got != "admin" {
		t.Errorf("LUCID_API_KEY_FILE: %s", got)
	}
	if got := role("--key", f.keys[access.Viewer]); got != "viewer" {
		t.Errorf("--key beside LUCID_API_KEY_FILE: %s", got)
	}

	c := connection{CA: "file"}
	c.fillIn(func(name string) string { return name })
	if c.CA != "file" || c.CASHA256 != "" {
		t.Errorf("--ca beside LUCID_CA_SHA256: %+v", c)
	}
}
