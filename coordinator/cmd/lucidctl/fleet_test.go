package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/csv"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/api"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
	"lucid.internal/coordinator/internal/webhook"
	"lucid.internal/shared/proof"
)

// fleet is the real API on a database of its own, and a home for sessions.
type fleet struct {
	t    *testing.T
	url  string
	keys map[access.Role]string
	home string
	feed *event.Feed
	db   *db.Pool
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, keys: map[access.Role]string{}, home: t.TempDir()}
	f.forgetEnvironment()
	database := dbtest.New(t)
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := access.NewStore(access.Config{Pool: database, SigningKey: signing})
	if err != nil {
		t.Fatal(err)
	}
	scores, err := score.NewStore(score.Config{Pool: database, SetNodeScore: node.SetScore})
	if err != nil {
		t.Fatal(err)
	}
	payouts, err := payout.NewStore(payout.Config{Pool: database})
	if err != nil {
		t.Fatal(err)
	}
	flags, err := fraud.NewStore(fraud.Config{
		Pool: database, Now: time.Now, Fastest: challenge.FastestOf, CohortTime: challenge.CohortTime, CancelPayouts: payouts.CancelPending,
		Vetted: func(context.Context, db.Tx, int32, time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	nodes := node.NewStore(node.Config{
		Pool: database, Box: seal.New(proof.Key{1}), EnrolmentKey: signing, MQTT: []string{"broker:8883"}, CAPEM: func() string { return "pem" },
		Join: pool.Join, Leave: pool.Leave, Now: time.Now,
	})
	feed := event.NewFeed(event.Config{Pool: database})
	handler, err := api.New(api.Config{
		Fraud: flags, Access: keys, Pools: pool.NewStore(database, time.Now), Scores: scores, Epochs: epoch.NewStore(database), Statements: statements(database, scores), Payouts: payouts, Manual: manual.NewStore(manual.Config{Pool: database, Payouts: payouts}),
		Audit: audit.NewLog(database), Events: feed, Samples: sample.NewStore(sample.Config{Pool: database}),
		Alerts: alert.NewStore(alert.Config{Pool: database}), Webhooks: webhook.NewStore(webhook.Config{Pool: database, Box: seal.New(proof.Key{1})}),
		Nodes: nodes, Proofs: challenge.NewDesk(challenge.DeskConfig{Pool: database, Nodes: nodes}),
		EnrolFile: func(token string, _ time.Time) string { return "token = " + token + "\n" },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	f.url, f.feed, f.db = server.URL, feed, database
	for _, role := range []access.Role{access.Viewer, access.Admin} {
		if _, f.keys[role], err = keys.CreateKey(t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "test-" + string(role), Role: role}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = keys.AddUser(t.Context(), audit.By{Actor: audit.CLI}, access.NewUser{Name: "ada", Role: access.Operator, Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// forgetEnvironment leaves nothing of the machine's own settings to the commands.
func (f *fleet) forgetEnvironment() {
	f.t.Helper()
	for _, name := range []string{"LUCID_URL", "LUCID_API_KEY", "LUCID_API_KEY_FILE", "LUCID_CA", "LUCID_CA_SHA256"} {
		f.t.Setenv(name, "")
		os.Unsetenv(name)
	}
}

func statements(pool *db.Pool, scores *score.Store) *statement.Archive {
	return &statement.Archive{Pool: pool, Epochs: epoch.Archive{
		ScoreAsOf: func(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
			known, err := scores.AsOf(ctx, tx, nodeNos, at)
			all := map[int32]epoch.ScoreAt{}
			for no, s := range known {
				all[no] = epoch.ScoreAt{ScoreNano: s.ScoreNano, Factors: s.Factors, Vetted: s.Vetted}
			}
			return all, err
		},
		FaultWindows: func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return nil, nil },
	}}
}

// outcome is what a run left.
type outcome struct {
	code       int
	out, notes string
}

// run types a command with the admin's key.
func (f *fleet) run(args ...string) outcome {
	f.t.Helper()
	return f.as(f.keys[access.Admin], args...)
}

func (f *fleet) as(key string, args ...string) outcome {
	f.t.Helper()
	if key != "" {
		args = append([]string{"--key", key}, args...)
	}
	return f.at(terminal{in: strings.NewReader("")}, append([]string{"--url", f.url}, args...)...)
}

func (f *fleet) at(t terminal, args ...string) outcome {
	f.t.Helper()
	var out, notes bytes.Buffer
	t.out, t.notes, t.configFolder, t.now = &out, &notes, f.home, time.Now
	code := run(f.t.Context(), args, t)
	return outcome{code, out.String(), notes.String()}
}

// must runs a command that has to work.
func (f *fleet) must(args ...string) string {
	f.t.Helper()
	o := f.run(args...)
	if o.code != 0 {
		f.t.Fatalf("lucidctl %s: exit code %d: %s", strings.Join(args, " "), o.code, o.notes)
	}
	return o.out
}

// made makes a thing and gives the value of one column.
func (f *fleet) made(field string, args ...string) string {
	f.t.Helper()
	records, err := csv.NewReader(strings.NewReader(f.must(append(args, "-o", "csv")...))).ReadAll()
	if err != nil || len(records) != 2 || !slices.Contains(records[0], field) {
		f.t.Fatalf("%v: %v", err, records)
	}
	return records[1][slices.Index(records[0], field)]
}
