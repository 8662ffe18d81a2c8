package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"lucid.internal/coordinator/internal/db/dbtest"
)

// later is a span of time that commands about the past can be given.
var later = []string{"--from", "2199-01-01T00:00:00Z", "--to", "2200-01-01T00:00:00Z"}

// TestCommandsLeaveADatabaseOfAnotherVersionAlone types what reads and what changes
// something upon an older schema, a newer one and none: each is refused with what to
// do, and neither the database nor the data folder is written to. Then `migrate`
// brings it up to date, and tells of the master key that it made.
func TestCommandsLeaveADatabaseOfAnotherVersionAlone(t *testing.T) {
	url, data := dbtest.Empty(t), filepath.Join(t.TempDir(), "data")
	t.Setenv("LUCID_DATABASE_URL", url)
	t.Setenv("LUCID_DATA_DIR", data)
	conn, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	versions, err := goose.NewProvider(goose.DialectPostgres, conn, os.DirFS("../../internal/db/migrations"))
	if err != nil {
		t.Fatal(err)
	}
	commands := [][]string{
		{"ledger", "verify"}, append([]string{"export"}, later...), append([]string{"statement", "node_a"}, later...), {"fraud", "replay", "--rule", "in_step"},
		{"audit", "list"}, {"audit", "verify"}, {"payout", "list"}, {"keys", "status"}, {"rail", "status"}, {"update", "list"}, {"apikey", "list"}, {"user", "list"},
		{"pool", "create", "--name", "home"}, {"token", "create"}, {"keys", "rotate", "--all"}, {"keys", "rotate-master"}, {"payout", "budget", "5"},
		{"broker", "mosquitto-config", "--out", data},
	}
	refuse := func(want string) {
		t.Helper()
		before := contents(t, conn)
		for _, args := range commands {
			if code, said := stderrOf(t, args...); code != exitFailed || !strings.Contains(said, want) {
				t.Errorf("%v: exit code %d, %q, want %q", args, code, said, want)
			}
		}
		if after := contents(t, conn); after != before {
			t.Errorf("the database was written to:\n%s\n%s", before, after)
		}
		if exists(data) {
			t.Error("the data folder was made")
		}
	}

	refuse("the database has no schema of Lucid: if it is the right one, run lucid-coordinator migrate")
	const older = 40
	if _, err := versions.UpTo(t.Context(), older); err != nil {
		t.Fatal(err)
	}
	refuse("run lucid-coordinator migrate, after a backup")

	code, said := stderrOf(t, "migrate")
	if code != 0 || strings.Count(said, "migrated") != 1 || !strings.Contains(said, fmt.Sprintf(`"from_version":%d,`, older)) {
		t.Errorf("migrate: exit code %d, %s", code, said)
	}
	if key := filepath.Join(data, "master.key"); strings.Count(said, key) != 1 || !strings.Contains(said, "keep a copy") {
		t.Errorf("migrate does not tell of %s: %s", key, said)
	}
	for range 2 {
		if code, said := stderrOf(t, "ledger", "verify"); code != 0 || said != "" {
			t.Errorf("after migrate: exit code %d, %s", code, said)
		}
	}
	if code, said := stderrOf(t, "migrate"); code != 0 || strings.Contains(said, "master.key") || strings.Contains(said, "from_version") {
		t.Errorf("migrate again: exit code %d, %s", code, said)
	}

	newest, err := versions.GetDBVersion(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)", newest+1)
	}
	if err == nil {
		err = os.RemoveAll(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	refuse("use the lucid-coordinator of the release that migrated it")
}

// contents is every table with how many rows it has and which transaction wrote the newest.
func contents(t *testing.T, conn *sql.DB) (text string) {
	t.Helper()
	err := conn.QueryRowContext(t.Context(), `SELECT coalesce(string_agg(relname || ' ' || relnatts || ' ' ||
			query_to_xml(format('SELECT count(*), max(xmin::text::bigint) FROM %I', relname), true, true, '')::text, E'\n' ORDER BY relname), 'nothing')
		FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
