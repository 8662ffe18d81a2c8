package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

// binaries are built once a run, by TestMain, and sweeper started.
var (
	binaries harness.Binaries
	sweeper  *harness.Sweeper
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := harness.TempDir()
	if err == nil {
		defer os.RemoveAll(dir)
		sweeper, err = harness.StartSweeper(grace)
	}
	if err == nil {
		err = sweeper.Remember(dir)
	}
	if err == nil {
		binaries, err = harness.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// patience bounds every wait for another process. It is no claim about speed:
// a busy machine must not fail a test that would pass.
const patience = 3 * time.Minute

// manyWaits bounds what a test does in many such steps together.
const manyWaits = 5 * patience

// grace is for what ends because this process was killed: more than a stop takes.
const grace = 10 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// lab is a coordinator on a fresh data folder. Tests may replace it after a
// restart; what runs at the end is stopped and looked over.
type lab struct {
	*harness.Coordinator
	t *testing.T
}

func start(t *testing.T, o harness.Options) *lab {
	t.Helper()
	return startWith(t, binaries, o)
}

func startWith(t *testing.T, programs harness.Binaries, o harness.Options) *lab {
	t.Helper()
	o.Binaries = programs
	if o.Data == "" {
		o.Data = dataDir(t)
	}
	c, err := harness.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Coordinator: c, t: t}
	t.Cleanup(l.finish)
	if err := c.AwaitReady(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	return l
}

// startPostgres starts an operator's own server in a folder.
func startPostgres(t *testing.T, data string) *harness.Postgres {
	t.Helper()
	pg, err := harness.StartPostgres(within(t, patience), data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := harness.DataDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := sweeper.Remember(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// finish stops what still runs, and shows what it said when the test failed. It
// is no kill: a server that is still ending would hold on to its folders.
func (l *lab) finish() {
	if err := l.Stop(within(l.t, patience)); err != nil {
		l.Kill()
	}
	if l.t.Failed() {
		l.t.Logf("the coordinator said at last:\n%s", tail(l.Output()))
		if log, err := os.ReadFile(filepath.Join(l.Data, "coordinator.log")); err == nil {
			l.t.Logf("its log ends:\n%s", tail(string(log)))
		}
	}
}

// tail is the last lines of a text that may be long.
func tail(text string) string {
	const most = 40
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// restart starts the coordinator again on the same folder and addresses.
func (l *lab) restart() {
	l.t.Helper()
	c, err := l.Again()
	if err != nil {
		l.t.Fatal(err)
	}
	l.Coordinator = c
	if err := c.AwaitReady(within(l.t, patience)); err != nil {
		l.t.Fatal(err)
	}
}

// stopCleanly is Ctrl-C: everything ends with status 0, which a coordinator has
// that ends within the time that it allows itself, and nothing of it is left. What
// the test has stored is on the disk before, whose speed is no part of that.
func (l *lab) stopCleanly() {
	l.t.Helper()
	if err := l.Database().Exec(within(l.t, patience), "CHECKPOINT"); err != nil {
		l.t.Fatal(err)
	}
	if err := l.Stop(within(l.t, patience)); err != nil {
		l.t.Fatal(err)
	}
	left, err := l.LeftBehind()
	if err != nil {
		l.t.Fatal(err)
	}
	if len(left) > 0 {
		l.t.Errorf("left behind: %q", left)
	}
}

// count is one number from the database.
func (l *lab) count(query string, args ...any) int64 {
	l.t.Helper()
	n, err := l.Database().Int64(within(l.t, patience), query, args...)
	if err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// node enrols a node of the test's own in the default pool.
func (l *lab) node() *harness.Node {
	l.t.Helper()
	n, err := l.EnrollNode(within(l.t, patience), "pool_default")
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *lab) connect(n *harness.Node) *harness.Session {
	l.t.Helper()
	s, err := n.Connect(within(l.t, patience))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(s.Close)
	return s
}

func message(t *testing.T, n *harness.Node, seq uint64) harness.Message {
	t.Helper()
	m, err := harness.NewMessage(n.Run, seq, time.Now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ledgerSum must be zero after everything that ever happened.
const ledgerSum = "SELECT coalesce(sum(amount), 0)::bigint FROM posting"
