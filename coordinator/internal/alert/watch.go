package alert

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/span"
)

const (
	// freshness is how old a sample may be to say how the node is.
	freshness = 10 * time.Minute
	// overlap is how far RunOnce looks back behind the newest that it saw:
	// what was received first may be committed last.
	overlap = time.Minute
	// stepsAtOnce bounds a transaction.
	stepsAtOnce = 500
	// tellAtOnce bounds what is handed over in a transaction.
	tellAtOnce = 500
	// kept is how long ended alerts stay on record, forgetAtOnce how many are
	// removed at a time.
	kept         = 90 * 24 * time.Hour
	forgetAtOnce = 1000
)

// Watch judges all nodes again and again. It is for one goroutine of the
// leader. What it remembers saves work only: a new one goes on from the tables.
type Watch struct {
	store      *Store
	turn       int64     // of the newest look
	samples    time.Time // newest receipt that was seen
	verdicts   time.Time
	thresholds thresholds
	lags       map[int32]lag // of the nodes' newest samples
}

// NewWatch makes a Watch over the store's tables.
func NewWatch(s *Store) *Watch { return &Watch{store: s, lags: make(map[int32]lag)} }

// RunOnce looks at what is newest of every node, writes what changed with its
// events, and hands over what is to be told.
func (w *Watch) RunOnce(ctx context.Context) error {
	if err := w.lookAndWrite(ctx); err != nil {
		w.samples, w.verdicts = time.Time{}, time.Time{} // what was seen must be seen again
		return err
	}
	if err := w.tell(ctx); err != nil {
		return fmt.Errorf("hand over alerts: %w", err)
	}
	_, err := sqlgen.New(w.store.cfg.Pool).ForgetAlerts(ctx, sqlgen.ForgetAlertsParams{Before: w.store.now().Add(-kept), Most: forgetAtOnce})
	return err
}

func (w *Watch) lookAndWrite(ctx context.Context) error {
	steps, err := w.look(ctx)
	if err != nil {
		return fmt.Errorf("look for alerts: %w", err)
	}
	for some := range slices.Chunk(steps, stepsAtOnce) {
		if err := w.write(ctx, some); err != nil {
			return fmt.Errorf("write alerts: %w", err)
		}
	}
	return nil
}

// look reads everything in one transaction and judges it. Another coordinator
// that leads meanwhile waits for its end.
func (w *Watch) look(ctx context.Context) ([]step, error) {
	var steps []step
	err := db.InTx(ctx, w.store.cfg.Pool, func(tx db.Tx) error {
		q, now := sqlgen.New(tx), w.store.now()
		turn, err := q.TakeTurn(ctx) // first, so that what follows sees the turn before it whole
		if err != nil {
			return err
		}
		w.turn = turn
		set, err := readThresholds(ctx, q)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(set, w.thresholds) { // the newest samples may mean something else now
			w.samples, w.verdicts, w.thresholds = time.Time{}, time.Time{}, set
		}
		nodes, err := readNodes(ctx, q, now)
		if err != nil {
			return err
		}
		if err := w.observeSamples(ctx, q, nodes, now); err != nil {
			return err
		}
		if err := w.observeVerdicts(ctx, q, nodes, now); err != nil {
			return err
		}
		if err := w.store.observePresence(ctx, tx, nodes, now); err != nil {
			return err
		}
		open, err := readOpen(ctx, q, now)
		if err != nil {
			return err
		}
		steps = judgeAll(nodes, open, set)
		return nil
	})
	return steps, err
}

// judgeAll judges whatever was observed, and every open alert.
func judgeAll(nodes map[int32]*watched, open map[int32]map[Kind]standing, set thresholds) (steps []step) {
	for no := range open {
		if nodes[no] == nil {
			nodes[no] = goneNode(no, open[no])
		}
	}
	for no, n := range nodes {
		if len(n.observed) == 0 && len(open[no]) == 0 {
			continue
		}
		for _, k := range Kinds() {
			th, _ := set.holding(no, n.poolNo, k)
			if s, ok := n.judge(k, open[no][k], th); ok {
				steps = append(steps, s)
			}
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return int(a.node.no) - int(b.node.no) })
	return steps
}

// goneNode is a deleted node, of which its alerts know the name.
func goneNode(no int32, open map[Kind]standing) *watched {
	n := &watched{no: no, gone: true}
	for _, st := range open {
		n.id, n.name = st.nodeID, st.nodeName
	}
	return n
}

func readNodes(ctx context.Context, q *sqlgen.Queries, now time.Time) (map[int32]*watched, error) {
	rows, err := q.WatchedNodes(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make(map[int32]*watched, len(rows))
	for _, r := range rows {
		n := &watched{no: r.NodeNo, id: r.NodeID, name: r.Name, poolID: r.PoolID, poolNo: r.PoolNo, online: r.Online}
		switch r.Status {
		case "starting", "active", "suspended", "error":
			n.expected = true
		}
		if r.LeftAt != nil {
			n.left = *r.LeftAt
			if n.left.After(now) { // by a clock of ours that was ahead; the heartbeat has been lowered, or will be
				n.left = r.HeardAt
			}
		}
		nodes[r.NodeNo] = n
	}
	return nodes, nil
}

// see notes an observation, unless a newer one is noted.
func (n *watched) see(k Kind, o Observation) {
	if n.observed == nil {
		n.observed = map[Kind]Observation{}
	}
	if !o.At.Before(n.observed[k].At) {
		n.observed[k] = o
	}
}

func (w *Watch) observeVerdicts(ctx context.Context, q *sqlgen.Queries, nodes map[int32]*watched, now time.Time) error {
	w.verdicts = span.Earliest(w.verdicts, now)
	rows, err := q.NewVerdicts(ctx, w.verdicts.Add(-overlap))
	if err != nil {
		return err
	}
	for _, r := range rows {
		w.verdicts = span.Latest(w.verdicts, r.CalculatedAt)
		if n := nodes[r.NodeNo]; n != nil {
			n.see(ProofFailures, Observation{At: r.CalculatedAt, Value: float64(r.Failures)})
		}
	}
	return nil
}

// observePresence sees how long each node has been offline. One that need not
// be online, or never was, counts as online.
func (s *Store) observePresence(ctx context.Context, tx db.Tx, nodes map[int32]*watched, now time.Time) error {
	first := now
	for _, n := range nodes {
		if n.offline() {
			first = span.Earliest(first, n.left)
		}
	}
	var faults span.Set
	if first.Before(now) {
		windows, err := s.cfg.FaultWindows(ctx, tx, first, now)
		if err != nil {
			return err
		}
		faults = span.Of(windows...)
	}
	for _, n := range nodes {
		o := Observation{At: now}
		if n.offline() {
			o.Value = offlineFor(n.left, now, faults).Seconds()
		}
		n.see(Offline, o)
	}
	return nil
}

func (n *watched) offline() bool { return n.expected && !n.online && !n.left.IsZero() }

func readOpen(ctx context.Context, q *sqlgen.Queries, now time.Time) (map[int32]map[Kind]standing, error) {
	rows, err := q.OpenAlerts(ctx)
	if err != nil {
		return nil, err
	}
	open := make(map[int32]map[Kind]standing, len(rows))
	for _, r := range rows {
		st := standing{
			no: r.AlertNo, nodeID: r.NodeID, nodeName: r.Name, startedAt: r.StartedAt, firedAt: r.FiredAt, told: r.ToldAt != nil,
			last: Observation{At: r.ObservedAt, Value: r.Value, Detail: r.Detail}, threshold: r.Threshold,
			track: Track{WarningSince: orZero(r.WarningSince), CriticalSince: orZero(r.CriticalSince), ObservedAt: r.ObservedAt},
		}
		if r.ObservedAt.After(now) { // by a clock of ours that was ahead: only whether it fires is known
			st.track = Track{ObservedAt: now.Add(-freshness)}
		}
		if State(r.State) == Firing {
			st.track.Firing = Severity(r.Severity)
		}
		if open[r.NodeNo] == nil {
			open[r.NodeNo] = map[Kind]standing{}
		}
		open[r.NodeNo][Kind(r.Kind)] = st
	}
	return open, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
