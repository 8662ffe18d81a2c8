package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/cluster"
)

// Own is a server of the test's own below dir, which it may hurt. Unlike the
// tests' common server it has a coordinator's real settings: a commit is on
// disk when it returns.
func Own(t testing.TB, dir string, settings map[string]string) (*cluster.Cluster, *db.Pool) {
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

// OwnDir is a folder that the server's user may enter when we are root.
func OwnDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}
