package epoch_test

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

func TestDailyCapLeavesTheRestUnallocated(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 9_000_000, at(5))
	w.addNode("node_full", poolNo, at(-60))
	w.addNode("node_half", poolNo, at(30))
	closer := w.closer(func(c *epoch.Config) { c.DailyCap = 5_000_000 })
	for _, c := range []struct {
		minutes                 float64
		full, half, unallocated ledger.Amount
	}{
		{62, 5_000_000, 3_000_000, 1_000_000},   // 6 and 3
		{122, 5_000_000, 5_000_000, 8_000_000},  // 4.5 each, of which 0 and 2 are left
		{182, 5_000_000, 5_000_000, 17_000_000}, // nothing more that day
	} {
		w.setNow(at(c.minutes))
		w.run(closer)
		w.wantBalance(ledger.KindPayable, "node_full", c.full)
		w.wantBalance(ledger.KindPayable, "node_half", c.half)
		w.wantBalance(ledger.KindUnallocated, "pool_a", c.unallocated)
	}
	w.setNow(at(14*60 + 62)) // the first epoch of the next day is closed
	w.run(closer)
	w.wantBalance(ledger.KindPayable, "node_full", 9_500_000)
	w.wantSound()
	got := query[[]string](w, `SELECT array_agg(reasons::text ORDER BY epoch_no, node_no) FROM statement_line JOIN epoch USING (epoch_no) WHERE starts_at < $1`, at(120))
	if want := []string{"{capped}", "{partial_membership}", "{capped}", "{capped}"}; !slices.Equal(got, want) {
		t.Errorf("reasons %v", got)
	}
	w.wantRecomputed()
}

// Who changes pools takes what it earned along; and two pools that close at once
// share what is left.
func TestDailyCapCountsAllPools(t *testing.T) {
	w := newWorld(t)
	first, second := w.addPool("pool_a", 4_000_000, at(5)), w.addPool("pool_b", 4_000_000, at(5))
	no := w.addNode("node_a", first, at(-60))
	w.exec(`UPDATE pool_membership SET to_at = $2 WHERE node_no = $1`, no, at(30))
	w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) VALUES ($1, $2, $3)`, no, second, at(30))
	w.setNow(at(62))
	w.run(w.closer(func(c *epoch.Config) { c.DailyCap = 5_000_000 }))
	w.wantBalance(ledger.KindPayable, "node_a", 5_000_000)
	w.wantSound()
	w.wantRecomputed()
}

// wantRecomputed computes all closed epochs anew from what is on record.
func (w *world) wantRecomputed() {
	w.t.Helper()
	c := w.config()
	archive := epoch.Archive{ScoreAsOf: c.ScoreAsOf, FaultWindows: c.FaultWindows}
	sheets := 0
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		sheets = 0
		return archive.Closed(w.t.Context(), tx, span.Interval{From: at(-1e6), To: at(1e6)}, func(s epoch.Sheet) error {
			sheets++
			lines, _, err := epoch.Statement(s.Epoch, s.Reward, s.Members, s.Windows, s.ClosedAt)
			for i, l := range lines {
				if stored := s.Lines[i]; l.Share != stored.Share || !slices.Equal(l.Reasons, stored.Reasons) {
					w.t.Errorf("from %s, %s: %s %v, stored %s %v", s.Epoch.From.Format(time.TimeOnly), l.NodeID, l.Share, l.Reasons, stored.Share, stored.Reasons)
				}
			}
			return err
		})
	})
	if err != nil || sheets == 0 {
		w.t.Errorf("%d epochs, %v", sheets, err)
	}
}
