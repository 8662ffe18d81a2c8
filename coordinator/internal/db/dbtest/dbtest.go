// Package dbtest owns databases for tests: each test gets its own, cloned from
// a migrated template on a real server that lives as long as the test process.
//
// It must never be imported by anything but tests.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/cluster"
)

const template = "template_lucid"

// testServer is the running server of this test process.
type testServer struct {
	admin string // address of its own database
	// alive is the end of a pipe whose closing, by our end, tells the cleaner.
	// It is kept here so that the garbage collector does not close it.
	alive *os.File
}

// server is the one thing in this package that outlives a test: starting a
// server for each would cost more than the tests themselves.
var server = sync.OnceValues(startServer)

var lastDatabase atomic.Int64

// New gives a pool on a fresh, migrated database. Both end with the test.
// pool.Config().ConnString() is its URL.
func New(t testing.TB) *db.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// URL gives the address of a fresh, migrated database that ends with the test.
func URL(t testing.TB) string {
	t.Helper()
	return clone(t, template)
}

// ProgramURL gives the address of the same database as a role that owns no
// table, as programs have it in production.
func ProgramURL(t testing.TB, owner string) string {
	t.Helper()
	u, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("lucid_program")
	if err := db.Grant(t.Context(), owner, u.String()); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// Empty gives the address of a database without any schema.
func Empty(t testing.TB) string {
	t.Helper()
	return clone(t, "template0")
}

func clone(t testing.TB, from string) string {
	t.Helper()
	running, err := server()
	if errors.Is(err, cluster.ErrNotInstalled) {
		t.Fatalf("this test needs a real Postgres: %v", err)
	}
	if err != nil {
		t.Fatalf("test database server: %v", err)
	}
	admin := running.admin
	name := fmt.Sprintf("test_%d", lastDatabase.Add(1))
	if err := execute(admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from)); err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping test database: %v", err)
		}
	})
	return withDatabase(admin, name)
}

// startServer starts the server of this test process and migrates the template.
func startServer() (*testServer, error) {
	dir, err := os.MkdirTemp(parent(), "lucid-dbtest-")
	if err != nil {
		return nil, err
	}
	alive, err := clearAfterUs(dir)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // the server's user must get through
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, err
		}
	}
	ctx := context.Background()
	c, err := cluster.Start(ctx, cluster.Config{Dir: dir, Settings: map[string]string{
		"fsync":              "off",
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"max_connections":    "300",
		"shared_buffers":     "32MB",
		"autovacuum":         "off",
	}})
	if err != nil {
		return nil, err
	}
	if err := execute(c.URL(), "CREATE DATABASE "+template); err != nil {
		return nil, err
	}
	return &testServer{c.URL(), alive}, db.Migrate(ctx, withDatabase(c.URL(), template), nil)
}

// clearAfterUs leaves a process behind that removes the folders when this one
// has ended, also by a kill or a time-out: its standard input, whose other end
// is returned, then closes. The server itself ends with us by the kernel's
// hand (package cluster).
func clearAfterUs(dir string) (alive *os.File, err error) {
	const script = `cat >/dev/null
socket=$(cat "$1/postgres.socket" 2>/dev/null)
for i in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf "$1" "$socket" 2>/dev/null && exit 0
	sleep 0.2
done`
	input, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	cmd.Stdin = input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return alive, cmd.Process.Release()
}

func execute(url, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func withDatabase(address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic("cluster gave an address that is no URL: " + address)
	}
	u.Path = "/" + name
	return u.String()
}
