package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator/internal/access"
)

// TestEveryCommand walks the commands: each read prints each format, and none
// is left out of the test.
func TestEveryCommand(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home", "--reward", "1.500001", "--max-nodes", "10")
	nodeID := f.made("node_id", "nodes", "create", "attic-pi", "--pool", poolID, "--label", "site=attic")
	hookID := f.made("webhook_id", "webhooks", "create", "https://ops.example/lucid")
	f.must("webhooks", "test", hookID)
	keyID := f.made("key_id", "apikeys", "create", "house")
	f.must("grants", "add", keyID, "lucid/v1/events/+")
	f.measure(nodeID, time.Now().Add(-2*time.Minute))
	reads := map[string][]string{
		"nodes resources": {nodeID}, "nodes metrics": {nodeID, "cpu"},
		"nodes list": nil, "nodes get": {nodeID}, "nodes status": {nodeID}, "pools list": nil, "pools get": {poolID},
		"pools nodes": {poolID}, "pools scaling": {poolID}, "pools moves": nil, "fleet": nil, "score": {nodeID}, "history": {nodeID}, "earnings": {nodeID}, "statements": {nodeID},
		"payouts list": nil, "payouts queue": nil, "payouts stats": nil, "payouts budget": nil, "payouts halts": nil, "payouts plan": nil, "apikeys list": nil, "audit list": nil, "dead-letters list": nil, "whoami": nil, "tokens list": nil, "users list": nil,
		"alerts list": nil, "silences list": nil, "thresholds get": nil, "webhooks list": nil, "webhooks deliveries": {hookID},
		"grants list": {keyID}, "fraud list": nil,
	}
	others := []string{ // tested one by one below
		"payouts get", "payouts create", "payouts batch", "payouts execute", "payouts cancel", "payouts retry", "payouts approve", "payouts approve-batch",
		"payouts halt", "payouts lift", "payouts export", "payouts complete", "payouts fail", "payouts failure", "payouts confirm-failure", "payouts reconcile",
		"nodes create", "nodes update", "nodes delete", "nodes start", "nodes stop", "nodes payout-address", "pools create", "pools update", "pools delete",
		"pools add", "pools remove", "pools scale", "events follow", "apikeys create", "apikeys revoke", "tokens create", "tokens revoke",
		"users add", "users disable", "users enable", "users passwd", "login", "logout", "fraud appeal", "fraud decide", "thresholds set", "thresholds remove",
		"silences create", "silences end", "webhooks create", "webhooks delete", "webhooks test", "grants add", "grants revoke", "completion", "version",
	}
	var c cli
	parser, err := newParser(&c, terminal{out: new(bytes.Buffer), notes: new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		path := strings.TrimPrefix(commandPath(leaf), "lucidctl ")
		args, isRead := reads[path]
		if !isRead {
			if !slices.Contains(others, path) {
				t.Errorf("%s is not tested", path)
			}
			continue
		}
		for _, format := range []string{"table", "wide", "json", "jsonl", "csv"} {
			command := append(append(strings.Fields(path), args...), "-o", format)
			wantFormat(t, strings.Join(command, " "), format, f.must(command...))
		}
	}
}

func commandPath(n *kong.Node) string {
	if n.Parent == nil {
		return n.Name
	}
	return commandPath(n.Parent) + " " + n.Name
}

func wantFormat(t *testing.T, command, format, out string) {
	t.Helper()
	if strings.Contains(out, "0001-01-01") || strings.Contains(out, "<nil>") || strings.Contains(out, "0x") {
		t.Errorf("%s prints a null as something else:\n%s", command, out)
	}
	switch format {
	case "json":
		if !json.Valid([]byte(out)) {
			t.Errorf("%s is not JSON:\n%s", command, out)
		}
	case "jsonl":
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) || !strings.HasPrefix(line, "{") {
				t.Errorf("%s: a line is no object: %s", command, line)
			}
		}
	case "csv":
		records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || len(records) == 0 {
			t.Errorf("%s is not CSV: %v\n%s", command, err, out)
		}
	}
}

func hasAll(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) })
}

func TestChanges(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home")
	other := f.made("pool_id", "pools", "create", "away")
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	f.must("nodes", "update", nodeID, "--name", "cellar-pi", "--label", "site=cellar")
	if _, err := f.db.Exec(t.Context(), `UPDATE node SET configuration = '{"max_sessions": 7}' WHERE node_id = $1`, nodeID); err != nil {
		t.Fatal(err)
	}
	f.must("nodes", "update", nodeID, "--sample-interval", "5s", "--publish-interval", "1m")
	if out := f.must("nodes", "get", nodeID, "-o", "json"); !hasAll(out, `"sample_interval_seconds": 5`, `"publish_interval_seconds": 60`, `"max_sessions": 7`) {
		t.Errorf("the intervals were not set beside what was there: %s", out)
	}
	f.must("nodes", "update", nodeID, "--sample-interval", "0s", "--publish-interval", "0s")
	if out := f.must("nodes", "get", nodeID, "-o", "json"); !hasAll(out, `"sample_interval_seconds": null`, `"max_sessions": 7`) {
		t.Errorf("the intervals were not taken back: %s", out)
	}
	for _, wrong := range [][]string{{"--sample-interval", "5s"}, {"--sample-interval", "5s", "--publish-interval", "1500ms"}} {
		if o := f.run(append([]string{"nodes", "update", nodeID}, wrong...)...); o.code == 0 {
			t.Errorf("%v was taken: %+v", wrong, o)
		}
	}
	f.must("pools", "add", poolID, nodeID, "--priority", "70")
	if out := f.must("pools", "nodes", poolID, "-o", "csv"); !strings.Contains(out, "cellar-pi") || !strings.Contains(out, ",70,") {
		t.Error(out)
	}
	f.must("pools", "remove", poolID, nodeID, "--yes")
	f.must("pools", "update", poolID, "--reward", "2.25", "--description", "at home")
	if out := f.must("pools", "get", poolID, "-o", "csv"); !strings.Contains(out, "2.250000") {
		t.Errorf("the reward is not exact: %s", out)
	}
	f.must("pools", "update", poolID, "--difficulty", "15")
	if out := f.must("pools", "get", poolID, "-o", "json"); !strings.Contains(out, `"difficulty": 15`) {
		t.Errorf("the difficulty is not set: %s", out)
	}
	f.must("pools", "update", poolID, "--no-difficulty")
	if out := f.must("pools", "get", poolID, "-o", "json"); !strings.Contains(out, `"challenge": {}`) {
		t.Errorf("the difficulty is not taken back: %s", out)
	}
	f.must("pools", "scale", poolID, "0", "--reason", "night")
	f.must("pools", "delete", other, "--yes")
	f.must("nodes", "delete", nodeID, "--yes")
	keyID := f.made("key_id", "apikeys", "create", "billing", "--life", "24h")
	f.must("apikeys", "revoke", keyID, "--yes")
	if o := f.run("nodes", "start", nodeID); o.code != exitFailed || !strings.Contains(o.notes, "LUCID_ERR_4001") {
		t.Errorf("starting a deleted node: %+v", o)
	}
	if o := f.run("nodes", "stop", nodeID); o.code != exitFailed || o.out != "" {
		t.Errorf("stopping a deleted node: %+v", o)
	}
}

func TestExitCodes(t *testing.T) {
	f := newFleet(t)
	for name, c := range map[string]struct {
		got  outcome
		want int
	}{
		"unknown command":        {f.run("nods"), exitUsage},
		"unknown format":         {f.run("nodes", "list", "-o", "xml"), exitUsage},
		"bad input":              {f.run("nodes", "create", "a b"), exitUsage},
		"not found":              {f.run("nodes", "get", "node_nobody"), exitFailed},
		"no credential":          {f.as("", "nodes", "list"), exitNotAllowed},
		"wrong key":              {f.as("lucid_0", "nodes", "list"), exitNotAllowed},
		"role too low":           {f.as(f.keys[access.Viewer], "nodes", "delete", "node_a", "--yes"), exitNotAllowed},
		"nobody to ask":          {f.run("nodes", "delete", "node_a"), exitUsage},
		"no answer wanted":       {f.at(terminal{inIsTerminal: true, in: strings.NewReader("y\n")}, "--url", f.url, "--key", "x", "--no-input", "nodes", "delete", "node_a"), exitUsage},
		"answered no":            {f.at(terminal{inIsTerminal: true, in: strings.NewReader("n\n")}, "--url", f.url, "--key", "x", "nodes", "delete", "node_a"), exitFailed},
		"http to elsewhere":      {f.at(terminal{}, "--url", "http://192.0.2.1:1", "--key", "x", "nodes", "list"), exitUsage},
		"half a pin":             {f.run("nodes", "list", "--ca-sha256", "abcd"), exitUsage},
		"no file":                {f.at(terminal{}, "--url", f.url, "--key-file", "/nonexistent", "nodes", "list"), exitUsage},
		"nothing listens there":  {f.at(terminal{}, "--url", "http://127.0.0.1:1", "--key", "x", "nodes", "list"), exitFailed},
		"help":                   {f.run("nodes", "--help"), 0},
		"version":                {f.run("version"), 0},
		"version by flag":        {f.at(terminal{}, "--version"), 0},
		"a server of other kind": {f.at(terminal{}, "--url", f.url+"/elsewhere", "--key", "x", "nodes", "list"), exitFailed},
	} {
		if c.got.code != c.want {
			t.Errorf("%s: exit code %d, want %d: %s", name, c.got.code, c.want, c.got.notes)
		}
		if c.got.code != 0 && (c.got.out != "" || !strings.HasPrefix(c.got.notes, "lucidctl: ") && name != "answered no") {
			t.Errorf("%s: standard output %q, notes %q", name, c.got.out, c.got.notes)
		}
	}
}

// TestNotesTellWhatToDoNext: a wrong command names its own help, and a server
// that is not there the setting that says where it is.
func TestNotesTellWhatToDoNext(t *testing.T) {
	f := &fleet{t: t, home: t.TempDir()}
	elsewhere := []string{"--url", "http://127.0.0.1:1", "--key", "x"}
	for want, args := range map[string][]string{
		"\nlucidctl --help":             {"nods"},
		"\nlucidctl payouts --help":     {"payouts", "nonsense"},
		"\nlucidctl payouts get --help": {"payouts", "get"},
		"LUCID_URL":                     append(elsewhere, "nodes", "list"),
	} {
		if o := f.at(terminal{}, args...); !strings.Contains(o.notes, want) {
			t.Errorf("lucidctl %s: %q, want %q", strings.Join(args, " "), o.notes, want)
		}
	}
}

func TestPages(t *testing.T) {
	f := newFleet(t)
	for _, name := range []string{"aaa", "bbb", "ccc"} {
		f.must("pools", "create", name)
	}
	some := f.run("pools", "list", "--limit", "2", "-o", "jsonl")
	if strings.Count(some.out, "\n") != 2 || !strings.Contains(some.notes, "only the first 2") {
		t.Errorf("%+v", some)
	}
	if all := f.run("pools", "list", "--all", "-o", "jsonl"); strings.Count(all.out, "\n") != 3 || all.notes != "" {
		t.Errorf("%+v", all)
	}
	if none := f.run("pools", "list", "-q", "zzz"); none.out != "" || none.notes != "none\n" {
		t.Errorf("%+v", none)
	}
	if none := f.run("pools", "list", "-q", "zzz", "-o", "json"); none.out != "[]\n" {
		t.Errorf("%+v", none)
	}
}

func TestSession(t *testing.T) {
	f := newFleet(t)
	login := f.at(terminal{in: strings.NewReader("correct horse battery\n")}, "--url", f.url, "login", "ada", "--password-stdin")
	if login.code != 0 || login.out != "" || !strings.Contains(login.notes, "role operator") {
		t.Fatalf("%+v", login)
	}
	file := filepath.Join(f.home, "lucidctl", "session.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the session can be read by others: %v %v", info, err)
	}
	if o := f.at(terminal{}, "whoami", "-o", "csv"); o.code != 0 || !strings.Contains(o.out, "user_") || !strings.Contains(o.out, ",operator,") || !strings.Contains(o.out, ",token_expires_at\n") {
		t.Errorf("%+v", o)
	}
	// The token for which a key is exchanged is nobody's concern.
	if out := f.must("whoami", "-o", "json") + f.must("whoami"); !strings.Contains(out, `"role": "admin"`) || strings.Contains(strings.ToLower(out), "expires") {
		t.Errorf("of a key: %s", out)
	}
	// A token near its end is replaced, once.
	a := &app{terminal: terminal{configFolder: f.home, now: time.Now}, cli: &cli{}}
	s, err := a.readSession()
	if err != nil {
		t.Fatal(err)
	}
	before := s.RefreshToken
	s.ExpiresAt = time.Now()
	if err := a.writeSession(s); err != nil {
		t.Fatal(err)
	}
	if o := f.at(terminal{}, "nodes", "list"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if s, err = a.readSession(); err != nil || s.RefreshToken == before {
		t.Errorf("not refreshed: %v", err)
	}
	if o := f.at(terminal{}, "--url", "http://127.0.0.1:1", "nodes", "list"); o.code != exitNotAllowed {
		t.Errorf("the session goes elsewhere: %+v", o)
	}
	if o := f.at(terminal{}, "logout"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if o := f.at(terminal{}, "--url", f.url, "nodes", "list"); o.code != exitNotAllowed {
		t.Errorf("after logout: %+v", o)
	}
	if o := f.at(terminal{in: strings.NewReader("wrong\n")}, "--url", f.url, "login", "ada", "--password-stdin"); o.code != exitNotAllowed {
		t.Errorf("wrong password: %+v", o)
	}
}

func TestFollow(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home")
	f.made("node_id", "nodes", "create", "attic-pi", "--pool", poolID)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.feed.RunOnce(ctx); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "wide", "json", "jsonl", "csv"} {
		o := f.run("events", "follow", "--last-id", "0", "--count", "1", "-o", format)
		if o.code != 0 || !strings.Contains(o.out, "pool_") && !strings.Contains(o.out, "node") {
			t.Errorf("%s: %+v", format, o)
		}
		wantFormat(t, "events follow", format, o.out)
	}
	if o := f.run("events", "follow", "--kind", "weather"); o.code != exitUsage {
		t.Errorf("%+v", o)
	}
}

// TestCompletion completes every command, word by word, in each shell.
func TestCompletion(t *testing.T) {
	f := &fleet{t: t}
	var c cli
	parser, err := newParser(&c, terminal{out: new(bytes.Buffer), notes: new(bytes.Buffer)})
	if err != nil {
		t.Fatal(err)
	}
	for shell, ask := range map[string]string{
		"bash": "_lucidctl\necho ${COMPREPLY[@]}\n",
		"zsh":  "compgen -F _lucidctl | tr '\\n' ' '\necho\n",
	} {
		t.Run(shell, func(t *testing.T) {
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("there is no " + shell)
			}
			script := f.at(terminal{}, "completion", shell).out
			if shell == "zsh" {
				script = "autoload -U compinit; compinit -D\n" + script
			}
			var wants []string // what the answer on each line must hold
			for _, n := range parser.Model.Leaves(false) {
				for ; n.Parent != nil; n = n.Parent {
					words := strings.Fields(commandPath(n))
					script += fmt.Sprintf("COMP_WORDS=(%s '')\nCOMP_CWORD=%d\n%s", strings.Join(words[:len(words)-1], " "), len(words)-1, ask)
					wants = append(wants, n.Name)
				}
			}
			script += "COMP_WORDS=(lucidctl --yes nodes list --sta)\nCOMP_CWORD=4\n" + ask
			wants = append(wants, "--status")
			out, err := exec.CommandContext(t.Context(), program, map[string]string{"bash": "--norc", "zsh": "-f"}[shell], "-c", script).Output()
			lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			if err != nil || len(lines) != len(wants) {
				t.Fatalf("%d answers to %d questions: %v", len(lines), len(wants), err)
			}
			for i, want := range wants {
				if !slices.Contains(strings.Fields(lines[i]), want) {
					t.Errorf("question %d: %s is not among %s", i, want, lines[i])
				}
			}
		})
	}
}

// The API replaces a node's whole configuration; the flag changes one field of it.
func TestDifficultyOfANodeLeavesTheRestOfItsConfiguration(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	_, err := f.db.Exec(t.Context(), `UPDATE node SET configuration = '{"max_sessions": 5, "resource_limits": {"cpu_percent": 80}}' WHERE node_id = $1`, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	stored := func(want string) {
		t.Helper()
		var same bool
		var got string
		err := f.db.QueryRow(t.Context(), "SELECT configuration = $2::jsonb, configuration FROM node WHERE node_id = $1", nodeID, want).Scan(&same, &got)
		if err != nil || !same {
			t.Errorf("configured is %s, want %s (%v)", got, want, err)
		}
	}
	f.must("nodes", "update", nodeID, "--difficulty", "0")
	stored(`{"max_sessions": 5, "resource_limits": {"cpu_percent": 80}, "challenge": {"difficulty": 0}}`)
	f.must("nodes", "update", nodeID, "--name", "cellar-pi")
	stored(`{"max_sessions": 5, "resource_limits": {"cpu_percent": 80}, "challenge": {"difficulty": 0}}`)
	f.must("nodes", "update", nodeID, "--no-difficulty")
	stored(`{"max_sessions": 5, "resource_limits": {"cpu_percent": 80}}`)
	if o := f.run("nodes", "update", nodeID, "--difficulty", "41"); o.code != exitUsage || !strings.Contains(o.notes, "configuration.challenge.difficulty") {
		t.Errorf("41 bits: %+v", o)
	}
}
