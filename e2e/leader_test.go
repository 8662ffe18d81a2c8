package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestKilledLeadersJobsAreDoneOnce kills whichever of two coordinators leads,
// again and again in the middle of its jobs: the other does what is due, so that
// no epoch is left out, none is paid twice, and the ledger's head is published.
func TestKilledLeadersJobsAreDoneOnce(t *testing.T) {
	data := dataDir(t)
	pg := startPostgres(t, data)
	o := harness.Options{Data: data, Serve: pg, Env: []string{"LUCID_DATA_DIR=" + data, "LUCID_EPOCH=2s", "LUCID_EPOCH_GRACE=0s"}}
	leader := start(t, o)
	leader.createPool()
	o.Binaries = binaries
	next, err := harness.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	standby := &lab{next, t}
	t.Cleanup(standby.finish)

	const kills = 4
	for n := range kills {
		leader.awaitEpoch()
		if status, _, err := standby.Get(within(t, patience), "/ready"); err == nil && status == http.StatusOK {
			t.Fatalf("before kill %d both lead", n+1)
		}
		leader.Kill()
		leader, standby = standby, leader
		if err := leader.AwaitReady(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		standby.standBy()
	}
	leader.awaitEpoch()
	leader.wantJobsDoneOnce()
}

// createPool makes one that earns 2.5 USDT an epoch.
func (l *lab) createPool() {
	l.t.Helper()
	if out, err := l.Run(within(l.t, patience), "pool", "create", "--name", "home", "--reward", "2.5"); err != nil {
		l.t.Fatal(out, err)
	}
}

// standBy starts the same coordinator once more, while another one leads.
func (l *lab) standBy() {
	l.t.Helper()
	c, err := l.Again()
	if err != nil {
		l.t.Fatal(err)
	}
	l.Coordinator = c
}

// wantJobsDoneOnce looks at what only a leader does, whoever led when: it is done
// without a gap and not twice. The pool is that of createPool.
func (l *lab) wantJobsDoneOnce() {
	l.t.Helper()
	for what, query := range map[string]string{
		"epochs left out":           `SELECT count(*) FROM (SELECT starts_at - lag(ends_at) OVER (PARTITION BY pool_no ORDER BY starts_at) AS gap FROM epoch) e WHERE gap <> '0'`,
		"epochs paid not just once": `SELECT count(*) FROM epoch e WHERE reward <> 2500000 OR 1 <> (SELECT count(*) FROM entry n WHERE n.kind = 'accrue' AND n.entry_id = e.entry_id)`,
		"entries of no epoch":       `SELECT count(*) FROM entry n WHERE kind = 'accrue' AND NOT EXISTS (SELECT FROM epoch e WHERE e.entry_id = n.entry_id)`,
		"micro-USDT":                ledgerSum,
	} {
		if n := l.count(query); n != 0 {
			l.t.Errorf("%s: %d, want 0", what, n)
		}
	}
	const headless = `SELECT count(*) FROM generate_series(date_trunc('hour', (SELECT min(closed_at) FROM epoch)), date_trunc('hour', now()), interval '1 hour') h
		WHERE NOT EXISTS (SELECT FROM ledger_publication p WHERE p.hour = h)`
	l.await(within(l.t, patience), "each hour's head", func(context.Context) error { // one that has just begun is published soon
		n := l.count(headless)
		return unless(n == 0, "%d hours are without", n)
	})
	if out, err := l.Run(within(l.t, patience), "ledger", "verify"); err != nil || strings.TrimSpace(out) == "" {
		l.t.Errorf("ledger verify: %q, %v", out, err)
	}
}

// leads waits until one of two coordinators says that it leads, and the other does
// not: who lost the lease may say so until it notices.
func leads(both [2]*lab) (leader, other *lab) {
	a, b := both[0], both[1]
	a.t.Helper()
	a.await(within(a.t, patience), "one of them to lead", func(ctx context.Context) error {
		ready := func(l *lab) bool {
			status, _, err := l.Get(ctx, "/ready")
			return err == nil && status == http.StatusOK
		}
		if leader, other = a, b; !ready(a) {
			leader, other = b, a
		}
		return unless(ready(leader) && !ready(other), "neither or both are ready")
	})
	return leader, other
}

// awaitEpoch waits until one more epoch is closed.
func (l *lab) awaitEpoch() {
	l.t.Helper()
	before := l.count("SELECT count(*) FROM epoch")
	l.await(within(l.t, patience), "an epoch to be closed", func(ctx context.Context) error {
		n, err := l.Database().Int64(ctx, "SELECT count(*) FROM epoch")
		if err == nil && n <= before {
			err = fmt.Errorf("%d are closed", n)
		}
		return err
	})
}
