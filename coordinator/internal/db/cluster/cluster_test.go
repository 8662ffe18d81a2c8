package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// quick is a server that is durable against kills, not against power cuts.
var quick = map[string]string{"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}

func config(dir string) Config {
	return Config{Dir: dir, Settings: quick, Logger: slog.New(slog.DiscardHandler)}
}

// folder is a fresh one that the server's user can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// begin starts a cluster that the test's end stops.
func begin(t *testing.T, c Config) *Cluster {
	t.Helper()
	running, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Stop(context.Background()) })
	return running
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// read gives the one text value of a query, retrying until the server answers.
func read(t *testing.T, url, query string) string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := readOnce(t.Context(), url, query)
		if err == nil {
			return value
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

func readOnce(ctx context.Context, url, query string) (value string, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	return value, conn.QueryRow(ctx, query).Scan(&value)
}

func TestDataOutlivesAStop(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "deep", "lucid")
	first := begin(t, config(dir))
	run(t, first.URL(), "CREATE TABLE kept AS SELECT 'here' AS word")
	stop(t, first)

	select {
	case <-first.done:
	default:
		t.Error("Done is open after Stop")
	}
	if first.PID() != 0 {
		t.Error("a process id after Stop")
	}
	if _, err := os.Stat(first.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder %s is still there", first.socket)
	}
	second := begin(t, config(dir))
	if got := read(t, second.URL(), "SELECT word FROM kept"); got != "here" {
		t.Errorf("read %q", got)
	}
}

func TestServerIsReachableByItsSocketOnly(t *testing.T) {
	t.Parallel()
	c := begin(t, config(folder(t)))
	if got := read(t, c.URL(), "SHOW listen_addresses"); got != "" {
		t.Errorf("listens on %q", got)
	}
	for _, path := range []string{c.socket, c.data} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 || int(info.Sys().(*syscall.Stat_t).Uid) != c.owner.uid {
			t.Errorf("%s: mode %v of uid %d, want 0700 of %s", path, info.Mode(), info.Sys().(*syscall.Stat_t).Uid, c.owner.name)
		}
	}
	if got := read(t, c.URL(), "SHOW server_encoding"); got != "UTF8" {
		t.Errorf("encoding %q", got)
	}
}

func TestAKilledServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	c := begin(t, config(folder(t)))
	run(t, c.URL(), "CREATE TABLE kept AS SELECT 'committed' AS word")
	for range 2 {
		pid := c.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		awaitNewPID(t, c, pid)
		if got := read(t, c.URL(), "SELECT word FROM kept"); got != "committed" {
			t.Errorf("read %q", got)
		}
	}
	stop(t, c)
}

func awaitNewPID(t *testing.T, c *Cluster, old int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for now := old; now == old || now == 0; now = c.PID() {
		select {
		case <-tick.C:
		case <-c.done:
			t.Fatal("the supervisor gave up")
		}
	}
}

func TestStopWithoutPatienceIsSaidAndRecovers(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := begin(t, config(dir))
	run(t, c.URL(), "CREATE TABLE kept AS SELECT 'committed' AS word")
	// A frozen server cannot stop cleanly.
	syscall.Kill(c.PID(), syscall.SIGSTOP)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Stop(ended); err == nil || !strings.Contains(err.Error(), "recover") {
		t.Errorf("Stop of a frozen server: %v, want an error that speaks of recovery", err)
	}
	again := begin(t, config(dir))
	if got := read(t, again.URL(), "SELECT word FROM kept"); got != "committed" {
		t.Errorf("read %q", got)
	}
}

func TestASecondInstanceIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := CheckFree(dir); err != nil {
		t.Errorf("nobody has the folder: %v", err)
	}
	first := begin(t, config(dir))
	inUse := fmt.Sprintf("in use by process %d:", os.Getpid())
	_, err := Start(t.Context(), config(dir))
	wantError(t, err, dir, inUse, "--data")
	wantError(t, CheckFree(dir), dir, inUse, "--data")
	if got := read(t, first.URL(), "SELECT 'alive'"); got != "alive" {
		t.Error("the first was disturbed")
	}
	if _, err := os.Stat(first.socket); err != nil {
		t.Error("the second took the first's socket away")
	}
	stop(t, first)
	if err := CheckFree(dir); err != nil {
		t.Errorf("nobody has the folder any more: %v", err)
	}
}

func TestAServerThatCannotStartShowsItsLog(t *testing.T) {
	t.Parallel()
	c := config(folder(t))
	c.Settings = map[string]string{"fsync": "off", "shared_buffers": "nonsense"}
	_, err := Start(t.Context(), c)
	wantError(t, err, "postgres.log", `invalid value for parameter "shared_buffers"`)
	left, _ := filepath.Glob(filepath.Join(c.Dir, "postgres.socket"))
	if len(left) > 0 {
		t.Error("the failed start left its socket behind")
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}
