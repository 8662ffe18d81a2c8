package e2e

import (
	"context"
	"net/http"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestRealAgentObeysAfterARestoredBackup takes a backup of the whole database,
// goes on commanding and configuring a real agent, rotates its key, and restores
// the backup. The agent remembers newer versions and a newer key than the
// database. It comes back with the key before, which is replaced at once, takes
// the intervals that count again, and obeys.
func TestRealAgentObeysAfterARestoredBackup(t *testing.T) {
	data := dataDir(t)
	pg := startPostgres(t, data)
	l := start(t, harness.Options{Data: data, Serve: pg, TLS: true, Env: []string{"LUCID_DATA_DIR=" + data, "LUCID_POOT_CALCULATION_INTERVAL=2s"}})
	ctx := within(t, manyWaits)
	if err := l.MakeAdminKey(ctx); err != nil {
		t.Fatal(err)
	}
	l.agent(ctx, "")
	id := l.awaitOnline(ctx)
	n := commanded{l, id, "/api/v1/nodes/" + id}
	l.awaitStatus(ctx, n.id, "active")
	n.command(ctx, "stop", "inactive")
	n.configure(ctx, `{"sample_interval_seconds": 2, "publish_interval_seconds": 4}`)

	l.Kill()
	if err := pg.Backup(ctx); err != nil {
		t.Fatal(err)
	}
	l.restart()
	l.awaitOnline(ctx)
	n.command(ctx, "start", "active")
	if out, err := l.Run(ctx, "keys", "rotate", "--all", "--data", l.Data); err != nil {
		t.Fatal(err, out)
	}
	l.awaitProof(ctx, 2)
	n.command(ctx, "stop", "inactive")
	lost := n.configure(ctx, `{"sample_interval_seconds": 1, "publish_interval_seconds": 4}`)

	l.Kill()
	if err := pg.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	l.restart()
	if version := n.awaitConfigured(ctx, lost); l.count("SELECT (configuration->>'sample_interval_seconds')::bigint FROM node") != 2 {
		t.Errorf("configuration %d is not the backup's", version)
	}
	n.command(ctx, "start", "active")
	l.awaitProof(ctx, 2)
	if told := l.count("SELECT count(*) FROM event WHERE body->>'change' = 'key_back'"); told != 1 {
		t.Errorf("it is told %d times that the key before counts again, want once", told)
	}
}

// commanded is a node that the test commands over the API.
type commanded struct {
	l        *lab
	id, path string
}

// command waits for what the agent's answer makes of the node.
func (n commanded) command(ctx context.Context, command, becomes string) {
	n.l.t.Helper()
	n.l.demand(ctx, http.MethodPost, n.path+"/"+command, http.StatusAccepted)
	n.l.awaitStatus(ctx, n.id, becomes)
}

// configure gives the version that the agent has applied.
func (n commanded) configure(ctx context.Context, configuration string) int64 {
	n.l.t.Helper()
	before := n.l.count("SELECT config_version FROM node")
	code, body, err := n.l.Send(ctx, http.MethodPut, n.path, `{"configuration": `+configuration+`}`)
	if err != nil || code != http.StatusOK {
		n.l.t.Fatalf("configure: %d %s, %v", code, body, err)
	}
	return n.awaitConfigured(ctx, before)
}

// awaitConfigured waits until the agent has applied a version above this one.
func (n commanded) awaitConfigured(ctx context.Context, above int64) int64 {
	n.l.t.Helper()
	var node struct {
		Configuration struct {
			Agent *struct {
				Version int64  `json:"version"`
				State   string `json:"state"`
				Reason  string `json:"reason"`
			} `json:"agent"`
		} `json:"configuration"`
	}
	n.l.await(ctx, "the configuration to be applied", func(ctx context.Context) error {
		if err := n.l.GetJSON(ctx, n.path, &node); err != nil {
			return err
		}
		a := node.Configuration.Agent
		return unless(a != nil && a.Version > above && a.State == "applied", "%+v, want one above %d", a, above)
	})
	return node.Configuration.Agent.Version
}
