package sample

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/cluster"
)

// ownServer is a server of the test's own, which it may hurt. Unlike the
// tests' common server it has a coordinator's real settings: a commit is on
// disk when it returns.
func ownServer(t testing.TB, dir string, settings map[string]string) (*cluster.Cluster, *db.Pool) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: filepath.Join(dir, "postgres"), Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), c.URL(), nil); err != nil {
		t.Fatal(err)
	}
	pool, err := db.Open(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return c, pool
}

// ownDir is a folder that the server's user may enter when we are root.
func ownDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// signalServer signals the server's process and all of its children.
func signalServer(t testing.TB, c *cluster.Cluster, sig syscall.Signal) {
	t.Helper()
	pid := c.PID()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(strconv.Itoa(pid) + " " + string(children)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(child, sig); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}
