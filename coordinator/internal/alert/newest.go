package alert

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

// observeSamples reads the newest samples that came since the last time: of
// each node the one that was stored and the one that was refused for its time.
func (w *Watch) observeSamples(ctx context.Context, q *sqlgen.Queries, nodes map[int32]*watched, now time.Time) error {
	w.samples = span.Earliest(w.samples, now) // a clock that was ahead has been set right
	since := span.Latest(w.samples.Add(-overlap), now.Add(-freshness))
	refused, err := q.NewRefusals(ctx, since)
	if err != nil {
		return err
	}
	rows, err := q.NewSamples(ctx, since)
	if err != nil {
		return err
	}
	// So has one by which a sample was received in the future: no lag can be reckoned from there.
	maps.DeleteFunc(w.lags, func(no int32, l lag) bool { return nodes[no] == nil || l.received.After(now.Add(overlap)) })
	for _, r := range refused {
		w.observeRefusal(nodes[r.NodeNo], r)
	}
	for _, r := range rows {
		w.observeSample(nodes[r.NodeNo], r)
	}
	return nil
}

// observeRefusal sees the clock of a node (nil when it was deleted), and nothing
// else: a sample of the wrong time is no data.
func (w *Watch) observeRefusal(n *watched, r sqlgen.NewRefusalsRow) {
	w.samples = span.Latest(w.samples, r.ReceivedAt)
	behind := r.ReceivedAt.Sub(r.At)
	if n == nil || w.late(n, r.ReceivedAt, behind) {
		return
	}
	observeClock(behind, func(k Kind, value float64, detail string) {
		n.see(k, Observation{At: r.ReceivedAt, Value: value, Detail: detail})
	})
}

func (w *Watch) observeSample(n *watched, r sqlgen.NewSamplesRow) {
	w.samples = span.Latest(w.samples, r.ReceivedAt)
	if n == nil {
		return
	}
	var s wire.Sample
	if err := json.Unmarshal(r.Body, &s); err != nil { // the others must not go unwatched for it
		w.store.cfg.Logger.Error("the newest sample of a node cannot be read, so nothing in it can raise an alert", "node_id", n.id, "error", err)
		return
	}
	if w.late(n, r.ReceivedAt, r.ReceivedAt.Sub(time.UnixMilli(s.AtMs))) {
		return
	}
	for k, o := range observe(&s, r.ReceivedAt) {
		n.see(k, o)
	}
}

// late notes the lag of a node's newer sample, and tells whether it is of a
// backlog.
func (w *Watch) late(n *watched, received time.Time, behind time.Duration) bool {
	next := w.lags[n.no].next(received, behind)
	w.lags[n.no] = next
	return next.moving
}
