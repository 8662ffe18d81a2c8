package fraud

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/challenge"
)

// tables are the rows that a simulated fleet would have left in Postgres, so
// that the judge finds them as it finds a real fleet's: by its own queries.
type tables struct {
	*world
	answers  []Answer
	figures  map[bucket]Figures
	presence [][]any
	online   map[int32]time.Time // since
	faults   [][]any
	runs     map[runOf]bool
	started  [][]any // runs
}

type (
	bucket struct {
		nodeNo int32
		at     time.Time
	}
	runOf struct {
		nodeNo int32
		run    string
	}
)

// lookEvery is how often the judge looks at the tables: as far apart as its looks
// at telemetry still overlap.
const lookEvery = time.Hour

// newTables begins to keep what a simulated fleet leaves behind.
func newTables(w *world, s *sim) *tables {
	t := &tables{world: w, figures: map[bucket]Figures{}, online: map[int32]time.Time{}, runs: map[runOf]bool{}}
	w.cfg.Fastest, w.cfg.CohortTime = challenge.FastestOf, challenge.CohortTime
	for i := 2; i < 9; i++ {
		w.exec(`INSERT INTO pool (pool_id, name, created_at) VALUES ($1, $1, $2)`, fmt.Sprint("pool_", i), noon)
	}
	for _, table := range []string{"sample", "sample_5m"} {
		w.exec(fmt.Sprintf(`CREATE TABLE %s_may PARTITION OF %s FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')`, table, table))
	}
	s.kept = t
	return t
}

// join makes the nodes of the simulation those of the database.
func (t *tables) join(nodes []*simNode) {
	for _, n := range nodes {
		no := query[int32](t.world, `INSERT INTO node (node_id, name, status, pool_no, payout_address, serial_hash, inventory, created_at)
			VALUES ($1, $1, 'active', nullif($2::integer, 0), $3, $4, jsonb_build_object('model', $5::text, 'serial_hash', $6::text), $7) RETURNING node_no`,
			fmt.Sprint("node_", n.NodeNo), n.PoolNo, n.Payout, n.Board, n.Model, n.Serial, n.Created)
		if no != n.NodeNo {
			t.t.Fatalf("node %d is %d in the database", n.NodeNo, no)
		}
		t.online[no] = noon.Add(-time.Hour)
	}
}

func (t *tables) answer(a Answer) {
	t.answers = append(t.answers, a)
	if a.Answered {
		t.run(a.NodeNo, a.Run, a.At)
	}
}

// run notes the first message of a run.
func (t *tables) run(nodeNo int32, run string, at time.Time) {
	if k := (runOf{nodeNo, run}); !t.runs[k] {
		t.runs[k] = true
		t.started = append(t.started, []any{nodeNo, uuid.UUID(runID(run)), at, at})
	}
}

// told keeps figures as a rollup does: its newest sample stands for a bucket.
func (t *tables) told(f Figures) {
	newest := f.At.Add(time.Minute)
	k := bucket{f.NodeNo, newest.Truncate(figuresEvery)}
	if known, ok := t.figures[k]; !ok || known.At.Before(newest) {
		f.At = newest
		t.figures[k] = f
	}
}

func (t *tables) left(nodeNo int32, at, back time.Time) {
	if from := t.online[nodeNo]; from.Before(at) {
		t.presence = append(t.presence, []any{nodeNo, from, at})
	}
	t.online[nodeNo] = back
}

func (t *tables) fault(from, to time.Time) {
	t.faults = append(t.faults, []any{"database", from, to})
}

// look stores what came since the last look, and lets the judge see it.
func (t *tables) look(now time.Time) {
	t.t.Helper()
	t.copy("node_run", []string{"node_no", "run_id", "last_at", "started_at"}, t.started)
	t.copy("node_presence", []string{"node_no", "from_at", "to_at"}, t.presence)
	t.copy("fault_window", []string{"cause", "from_at", "to_at"}, t.faults)
	t.verdicts(t.answers...)
	t.rollup()
	t.answers, t.started, t.presence, t.faults = nil, nil, nil, nil
	t.clock = now
	t.world.run()
}

// rollup stores the figures, some of them of buckets that were stored before.
func (t *tables) rollup() {
	var samples, buckets [][]any
	for k, f := range t.figures {
		samples = append(samples, []any{f.At, f.Seq, f.RunNo, f.NodeNo})
		buckets = append(buckets, []any{k.nodeNo, k.at, f.At, 1, f.In, f.Out, f.MemoryUsed, f.MemoryNewest, f.CPU})
	}
	t.copy("sample", []string{"at", "seq", "run_no", "node_no"}, samples)
	t.exec(`CREATE TABLE IF NOT EXISTS told (LIKE sample_5m)`)
	t.copy("told", []string{
		"node_no", "at", "newest_at", "samples", "network_bytes_in_last", "network_bytes_out_last", "memory_used_bytes_avg", "memory_used_bytes_last",
		"cpu_usage_percent_avg",
	}, buckets)
	t.exec(`DELETE FROM sample_5m s USING told t WHERE t.node_no = s.node_no AND t.at = s.at AND t.newest_at > s.newest_at`)
	t.exec(`INSERT INTO sample_5m SELECT * FROM told ON CONFLICT DO NOTHING`)
	t.exec(`TRUNCATE told`)
	clear(t.figures)
}
