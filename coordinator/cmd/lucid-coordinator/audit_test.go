package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// shell types commands beside a database of its own.
type shell struct {
	*testing.T
	db *db.Pool
}

func newShell(t *testing.T) shell {
	t.Helper()
	url := dbtest.URL(t)
	t.Setenv("LUCID_DATABASE_URL", url)
	t.Setenv("LUCID_DATA_DIR", t.TempDir())
	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return shell{t, pool}
}

// run types a command that has to work, with a text at its standard input, and
// is what it says on standard output.
func (s shell) run(input string, args ...string) string {
	s.Helper()
	dir, in, out := s.TempDir(), os.Stdin, os.Stdout
	defer func() { os.Stdin, os.Stdout = in, out }()
	err := os.WriteFile(filepath.Join(dir, "in"), []byte(input), 0o600)
	if err == nil {
		os.Stdin, err = os.Open(filepath.Join(dir, "in"))
	}
	if err == nil {
		os.Stdout, err = os.Create(filepath.Join(dir, "out"))
	}
	if err != nil {
		s.Fatal(err)
	}
	if code := run(args); code != 0 {
		s.Fatalf("lucid-coordinator %s: exit code %d", strings.Join(args, " "), code)
	}
	said, err := os.ReadFile(os.Stdout.Name())
	if err != nil {
		s.Fatal(err)
	}
	return string(said)
}

// warned types a command that has to work, and is what it says on standard error.
func (s shell) warned(args ...string) string {
	s.Helper()
	code, said := stderrOf(s.T, args...)
	if code != 0 {
		s.Fatalf("lucid-coordinator %s: exit code %d, %s", strings.Join(args, " "), code, said)
	}
	return said
}

// stderrOf types a command, and is how it ends and what it says on standard error.
func stderrOf(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	shown := os.Stderr
	os.Stderr = file
	code = run(args)
	os.Stderr = shown
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text)
}

// read gives the one value of a query.
func (s shell) read(sql string) (text string) {
	s.Helper()
	if err := s.db.QueryRow(s.Context(), sql).Scan(&text); err != nil {
		s.Fatalf("%s: %v", sql, err)
	}
	return text
}

// payouts makes as many pending payouts, each of a node of its own.
func (s shell) payouts(many int) {
	s.Helper()
	store, err := payout.NewStore(payout.Config{Pool: s.db, KnownHead: filepath.Join(os.Getenv("LUCID_DATA_DIR"), "known-head.json")})
	if err == nil {
		err = store.Remember(s.Context()) // as a coordinator does when it starts
	}
	if err != nil {
		s.Fatal(err)
	}
	for n := range many {
		id := fmt.Sprint("node_", n)
		_, err := s.db.Exec(s.Context(), `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', 'TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ')`, id)
		if err == nil {
			err = db.InTx(s.Context(), s.db, func(tx db.Tx) error {
				_, err := ledger.Post(s.Context(), tx, ledger.Accrue("gift to "+id, time.Now(), "pool_gift", []ledger.Share{{NodeID: id, Amount: ledger.USDT(10)}}, 0))
				return err
			})
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	if err == nil {
		_, err = store.SetBudget(s.Context(), payout.Person{By: audit.By{Actor: audit.System}, Human: true}, ledger.USDT(1000))
	}
	if err == nil {
		err = payout.NewRound(store, nil).RunOnce(s.Context())
	}
	if err != nil {
		s.Fatal(err)
	}
}

// TestEveryChangingCommandIsAudited types every command. One that changes
// something leaves an entry of its own, by the name of who typed it. Whoever
// adds a command adds it here.
func TestEveryChangingCommandIsAudited(t *testing.T) {
	s := newShell(t)
	s.payouts(2)
	first, second := s.read("SELECT min(payout_id) FROM payout"), s.read("SELECT max(payout_id) FROM payout")
	var done []string
	changes := func(input string, path string, args ...string) {
		t.Helper()
		done = append(done, path)
		before := s.read("SELECT coalesce(max(entry_no), 0)::text FROM audit_entry")
		s.run(input, append(strings.Fields(path), args...)...)
		who, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		want := "1 cli:" + who.Username
		if got := s.read("SELECT count(*)::text || ' ' || coalesce(string_agg(actor, ' '), '') FROM audit_entry WHERE entry_no > " + before); got != want {
			t.Errorf("%s leaves entries %q, want %q", path, got, want)
		}
	}
	changes("", "pool create", "--name", "home")
	changes("", "token create")
	changes("", "apikey create", "--name", "billing")
	changes("", "apikey revoke", s.read("SELECT key_id FROM api_key"))
	changes("correct horse battery\n", "user add", "ada", "--password-stdin")
	changes("", "user disable", "ada")
	changes("", "user disable", "ada") // which changes nothing any more
	changes("", "user enable", "ada")
	changes("another long password\n", "user passwd", "ada", "--password-stdin")
	changes("", "signing-key rotate")
	fleet := filepath.Join(t.TempDir(), "fleet.csv")
	if err := os.WriteFile(fleet, []byte("name\nattic-pi\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	changes("", "provision", "--fleet", fleet, "--out", filepath.Join(filepath.Dir(fleet), "out"))
	changes("", "update announce", "1.4.0", "--ring", "canary", "--window", "02:00-04:00")
	changes("", "update withdraw", "--ring", "canary")
	changes("", "keys rotate", "--all")
	changes("", "keys rotate-master")
	changes("", "keys rotate-ca")
	changes("", "payout budget", "50")
	changes("", "payout start", first)
	changes("", "payout complete", first, "--transaction", strings.Repeat("a", 64))
	changes("", "payout cancel", second)
	setTron(t)
	changes("", "rail match", strings.Repeat("b", 64), "--note", "a test of ours")
	changes("", "rail accept", "--reason", "nothing is missing")

	reads := []string{"rail status", "wallet address", "payout list", "apikey list", "user list", "keys status", "update list", "audit list", "audit verify", "config print", "version"}
	// The servers are no commands upon a database; what migrate did stands in
	// the schema's own table of migrations; mosquitto-config and wallet create
	// write files only, and wallet check opens one.
	others := []string{"serve", "dev", "migrate", "broker mosquitto-config", "wallet create", "wallet check"}
	entries := s.read("SELECT count(*)::text FROM audit_entry")
	for _, path := range reads {
		s.run("", strings.Fields(path)...)
	}
	file := filepath.Join(t.TempDir(), "export")
	for _, read := range [][]string{
		{"ledger verify"}, {"fraud replay", "--rule", "in_step"}, append([]string{"statement", "node_0"}, later...), append([]string{"export", "--file", file}, later...), {"verify", file},
	} {
		reads = append(reads, read[0])
		s.run("", append(strings.Fields(read[0]), read[1:]...)...)
	}
	if now := s.read("SELECT count(*)::text FROM audit_entry"); now != entries {
		t.Errorf("reading took the log from %s to %s entries", entries, now)
	}
	var c cli
	for _, leaf := range kong.Must(&c).Model.Leaves(false) {
		path := leaf.Name
		for n := leaf.Parent; n.Parent != nil; n = n.Parent {
			path = n.Name + " " + path
		}
		if !slices.Contains(slices.Concat(done, reads, others), path) {
			t.Errorf("%q is not tested", path)
		}
	}
}
