package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

// fleet is a database with nodes, a clock that the test moves, and what was
// handed over.
type fleet struct {
	*Store
	t       *testing.T
	db      *db.Pool
	watch   *Watch
	samples *sample.Store
	runs    map[string]wire.RunID // of the nodes' agents
	seqs    map[string]uint64     // of their newest samples
	time    time.Time
	faults  []span.Interval
	told    []string // node kind state severity
	refuse  error    // of the next hand-over
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{t: t, db: dbtest.New(t), time: start, runs: make(map[string]wire.RunID), seqs: make(map[string]uint64)}
	now := func() time.Time { return f.time }
	f.samples = sample.NewStore(sample.Config{Pool: f.db, Now: now})
	f.Store = NewStore(Config{
		Pool: f.db, Now: now,
		FaultWindows: func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return f.faults, nil },
		Tell: func(_ context.Context, _ db.Tx, alerts []Alert) error {
			if f.refuse != nil {
				return f.refuse
			}
			for _, a := range alerts {
				f.told = append(f.told, fmt.Sprintf("%s %s %s %s", a.NodeID, a.Kind, a.State, a.Severity))
			}
			return nil
		},
	})
	f.watch = NewWatch(f.Store)
	f.exec("INSERT INTO pool (pool_id, name) VALUES ('pool_home', 'home')")
	return f
}

func (f *fleet) exec(sql string, args ...any) {
	f.t.Helper()
	dbtest.Exec(f.t, f.db, sql, args...)
}

// node adds an active, online node in the pool.
func (f *fleet) node(id string) {
	f.t.Helper()
	f.exec(`INSERT INTO node (node_id, name, status, online, pool_no) VALUES ($1, $2, 'active', true, 1)`, id, id)
	f.begin(id)
}

// begin starts a node's agent anew: a new run.
func (f *fleet) begin(id string) { f.runs[id], f.seqs[id] = wire.NewRunID(), 0 }

// sample is measured and taken in now.
func (f *fleet) sample(id string, s wire.Sample) {
	f.t.Helper()
	s.AtMs = f.time.UnixMilli()
	f.take(id, s)
}

// take takes the next sample of a node in now, with its own time, which must be
// data.
func (f *fleet) take(id string, s wire.Sample) {
	f.t.Helper()
	f.deliver(id, s)
	if reasons := f.letters(); len(reasons) > 0 {
		f.t.Fatalf("the sample of %s is no data: %s", id, reasons[0])
	}
}

// letters are the kinds of the dead letters.
func (f *fleet) letters() (kinds []string) {
	f.t.Helper()
	if err := f.db.QueryRow(f.t.Context(), "SELECT coalesce(array_agg(kind), '{}') FROM dead_letter").Scan(&kinds); err != nil {
		f.t.Fatal(err)
	}
	return kinds
}

// deliver takes the next sample of a node in now as the coordinator does: its
// message is decoded, committed or refused, and written as the node's newest.
func (f *fleet) deliver(id string, s wire.Sample) {
	f.t.Helper()
	f.seqs[id]++
	s.Seq = f.seqs[id]
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: f.runs[id], Samples: []wire.Sample{s}})
	if err != nil {
		f.t.Fatal(err)
	}
	var nodeNo int32
	if err := f.db.QueryRow(f.t.Context(), "SELECT node_no FROM node WHERE node_id = $1", id).Scan(&nodeNo); err != nil {
		f.t.Fatal(err)
	}
	in, err := sample.NewIngest(sample.IngestConfig{Store: f.samples})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(f.t.Context())
	settled := make(chan error, 1)
	in.Take(nodeNo, id, payload, sample.Alone(func(err error) { settled <- err; stop() }))
	in.Run(ctx) // until it is settled; then it writes the newest sample
	if err := <-settled; err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) cpu(id string, percent float64) {
	f.sample(id, wire.Sample{CPU: &wire.CPU{Cores: 4, UsagePercent: &percent}})
}

// leaves takes a node offline at the present time.
func (f *fleet) leaves(id string) {
	f.t.Helper()
	f.exec(`UPDATE node SET online = false, last_heartbeat = $2 WHERE node_id = $1`, id, f.time)
	f.exec(`INSERT INTO node_presence SELECT node_no, $2::timestamptz - interval '1 hour', $2 FROM node WHERE node_id = $1`, id, f.time)
}

// verdict judges the first node now.
func (f *fleet) verdict(result string) {
	f.t.Helper()
	f.exec(`INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
		VALUES (gen_random_uuid(), 1, 1, 1, $1, $1::timestamptz + interval '1 s', $1::timestamptz + interval '2 s', '', 'judged')`, f.time)
	f.exec(`INSERT INTO verdict (challenge_id, node_no, at, result, rule_version)
		SELECT challenge_id, 1, $1, $2, 1 FROM challenge WHERE issued_at = $1`, f.time, result)
	f.exec(`INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, score, confidence, factors, rule_version, calculated_at)
		VALUES (1, 0, 0, 0, 0, 1, 0, 0, '{}', 1, $1) ON CONFLICT (node_no) DO UPDATE SET calculated_at = excluded.calculated_at`, f.time)
}

func (f *fleet) run() {
	f.t.Helper()
	if err := f.watch.RunOnce(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// after lets time pass and looks again.
func (f *fleet) after(d time.Duration) {
	f.t.Helper()
	f.time = f.time.Add(d)
	f.run()
}

// events are the changes that were published, oldest first.
func (f *fleet) events() []string {
	f.t.Helper()
	rows, err := f.db.Query(f.t.Context(), `SELECT node_id || ' ' || pool_id || ' ' || (body ->> 'kind') || ' ' || (body ->> 'change') || ' ' || (body ->> 'severity')
		FROM event_outbox WHERE kind = 'alert' ORDER BY out_no`)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}

func (f *fleet) list(filter Filter) []Alert {
	f.t.Helper()
	filter.Limit = 100
	alerts, total, err := f.List(f.t.Context(), filter)
	if err != nil || total != len(alerts) {
		f.t.Fatalf("%d of %d: %v", len(alerts), total, err)
	}
	return alerts
}

func (f *fleet) want(what string, got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s:\n%q, want\n%q", what, got, want)
	}
}

var operator = audit.By{Actor: "key_test"}
