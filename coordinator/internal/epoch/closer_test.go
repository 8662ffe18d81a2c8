package epoch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

func TestEpochIsPaidByEvidence(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 9_000_000, at(5))
	w.addNode("node_full", poolNo, at(-60))
	half := w.addNode("node_half", poolNo, at(30))
	w.addNode("node_elsewhere", 0, at(-60))
	closer := w.closer()

	w.setNow(at(61.99))
	w.run(closer)
	if n := w.count("epoch"); n != 0 {
		t.Fatalf("%d epochs closed before the grace time was over", n)
	}
	w.setNow(at(62))
	w.run(closer)
	w.run(closer)
	if !w.scoredAt.Equal(at(60)) {
		t.Errorf("scores as of %s, want the epoch's end", w.scoredAt)
	}
	if got := query[string](w, `SELECT starts_at::text || ' ' || ends_at::text FROM epoch`); got != "2026-03-01 10:00:00+00 2026-03-01 11:00:00+00" {
		t.Errorf("epoch %s", got)
	}
	w.wantBalance(ledger.KindPayable, "node_full", 6_000_000)
	w.wantBalance(ledger.KindPayable, "node_half", 3_000_000)
	w.wantBalance(ledger.KindPayable, "node_elsewhere", 0)
	w.wantBalance(ledger.KindPoolExpense, "pool_a", -9_000_000)
	slices.Sort(w.earnings)
	if want := []string{"node_full 6 6 11:00", "node_half 3 3 11:00"}; !slices.Equal(w.earnings, want) {
		t.Errorf("told of %q, want %q", w.earnings, want)
	}
	w.wantSound()

	earnings, err := epoch.NewStore(w.pool).Earnings(t.Context(), half, 0)
	if err != nil || earnings.Payable != 3_000_000 || len(earnings.Epochs) != 1 {
		t.Fatalf("earnings of the half: %+v, %v", earnings, err)
	}
	if _, err := epoch.NewStore(w.pool).Earnings(t.Context(), 999, 0); !fault.Has(err, fault.NodeNotFound) {
		t.Errorf("earnings of nobody: %v", err)
	}
	l := earnings.Epochs[0]
	if l.PoolID != "pool_a" || l.MemberMs != 1_800_000 || l.CreditedMs != 1_800_000 || l.ScoreNano != perfect ||
		l.Weight != perfect*1_800_000 || l.Share != 3_000_000 || l.Reward != 9_000_000 || l.Destination != epoch.DestinationPayable ||
		!slices.Equal(l.Reasons, []string{epoch.ReasonPartial}) || string(l.Factors) != `{"reputation": 1}` || !l.EndsAt.Equal(at(60)) {
		t.Errorf("statement line: %+v", l)
	}
}

func TestUnearnedRewardIsUnallocated(t *testing.T) {
	w := newWorld(t)
	w.addPool("pool_empty", 5, at(0))
	offline := w.addPool("pool_offline", 7, at(0))
	free := w.addPool("pool_free", 0, at(0))
	w.exec(`UPDATE node_presence SET to_at = $2 WHERE node_no = $1`, w.addNode("node_gone", offline, at(-60)), at(-1))
	w.addNode("node_unpaid", free, at(-60))
	w.score(w.addNode("node_bad", offline, at(-60)), epoch.ScoreAt{Vetted: true})
	w.run(w.closer())
	w.wantBalance(ledger.KindUnallocated, "pool_empty", 5)
	w.wantBalance(ledger.KindUnallocated, "pool_offline", 7)
	if epochs, entries, lines := w.count("epoch"), w.count("entry"), w.count("statement_line"); epochs != 3 || entries != 2 || lines != 3 {
		t.Errorf("%d epochs, %d entries, %d lines; want 3, 2, 3", epochs, entries, lines)
	}
	got := query[string](w, `SELECT string_agg(array_to_string(reasons, ','), ' ' ORDER BY node_no) FROM statement_line`)
	if got != "offline  no_score" {
		t.Errorf("reasons %q", got)
	}
	if n := query[int](w, `SELECT count(*) FROM statement_line WHERE factors = 'null' AND score = 0`); n != 1 {
		t.Errorf("%d lines without a score's factors, want 1", n)
	}
	if len(w.earnings) != 0 {
		t.Errorf("told of earnings %q", w.earnings)
	}
	w.wantSound()
}

func TestCatchUpIsBoundedAndInOrder(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 100, at(0))
	w.addNode("node_a", poolNo, at(0))
	closer := w.closer(func(c *epoch.Config) { c.CatchUp = 2 })
	w.setNow(at(5*60 + 2))
	for i, want := range []int{2, 4, 5, 5} {
		w.run(closer)
		if got := w.count("epoch"); got != want {
			t.Fatalf("run %d: %d epochs, want %d", i, got, want)
		}
	}
	w.wantBalance(ledger.KindPayable, "node_a", 500)
	if want := "node_a 0.0001 0.0001 11:00"; w.earnings[0] != want {
		t.Errorf("first %q, want %q", w.earnings[0], want)
	}
	w.wantSound()
}

// Several coordinators that all believe to be the one: every epoch is closed
// and told of once.
func TestConcurrentClosers(t *testing.T) {
	w := newWorld(t)
	const epochs = 12
	for _, id := range []string{"pool_a", "pool_b"} {
		poolNo := w.addPool(id, 100, at(0))
		w.addNode("node_of_"+id, poolNo, at(0))
		w.addNode("node_too_of_"+id, poolNo, at(0))
	}
	w.setNow(at(epochs*60 + 2))
	var group sync.WaitGroup
	for range 4 {
		closer := w.closer()
		group.Go(func() {
			// One that loses an epoch stops; the next run goes on.
			for range epochs {
				if err := closer.RunOnce(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := w.count("epoch"); n != 2*epochs {
		t.Errorf("%d epochs, want %d", n, 2*epochs)
	}
	w.wantBalance(ledger.KindPayable, "node_of_pool_a", 50*epochs)
	w.wantBalance(ledger.KindPayable, "node_too_of_pool_b", 50*epochs)
	slices.Sort(w.earnings)
	if told := len(slices.Compact(w.earnings)); told != 4*epochs || len(w.earnings) != told {
		t.Errorf("told of %d earnings, %d different ones, want %d", len(w.earnings), told, 4*epochs)
	}
	w.wantSound()
}

// The server ends our connection at every statement that stores something, and
// at the commit itself. Nothing of the attempt stays; the next run does it all.
func TestKilledMidway(t *testing.T) {
	for _, where := range []string{
		"AFTER INSERT ON epoch", "AFTER INSERT ON statement_line", "AFTER INSERT ON entry", "AFTER INSERT ON posting",
		"AFTER UPDATE ON account", "DEFERRED ON epoch", "DEFERRED ON entry",
	} {
		t.Run(where, func(t *testing.T) {
			w := newWorld(t)
			w.addNode("node_a", w.addPool("pool_a", ledger.USDT(12), at(0)), at(0))
			w.exec(`CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`)
			trigger := "CREATE TRIGGER zz_kill " + where + " FOR EACH ROW EXECUTE FUNCTION kill()"
			if table, ok := strings.CutPrefix(where, "DEFERRED ON "); ok {
				trigger = "CREATE CONSTRAINT TRIGGER zz_kill AFTER INSERT ON " + table + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION kill()"
			}
			w.exec(trigger)
			closer := w.closer()
			if err := closer.RunOnce(t.Context()); err == nil {
				t.Fatal("the connection was not ended")
			}
			if epochs, entries := w.count("epoch"), w.count("entry"); epochs != 0 || entries != 0 {
				t.Fatalf("left behind: %d epochs, %d entries", epochs, entries)
			}
			w.wantSound()
			w.exec("DROP FUNCTION kill CASCADE")
			w.run(closer)
			if n := w.count("epoch"); n != 1 {
				t.Errorf("after the next run: %d epochs", n)
			}
			w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(12))
			w.wantSound()
		})
	}
}

// What happens after an epoch's end changes only later epochs, also when the
// closer is late.
func TestLateChanges(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 100, at(0))
	stayed := w.addNode("node_stayed", poolNo, at(0))
	w.addNode("node_late", poolNo, at(60)) // joined when the epoch was over
	left := w.addNode("node_left", poolNo, at(0))
	w.exec(`UPDATE pool_membership SET to_at = $2 WHERE node_no = $1`, left, at(61))
	w.run(w.closer())
	w.wantBalance(ledger.KindPayable, "node_stayed", 50)
	w.wantBalance(ledger.KindPayable, "node_left", 50)
	w.wantBalance(ledger.KindPayable, "node_late", 0)

	// Evidence that turns up later does not touch the closed epoch.
	w.exec(`UPDATE pool_membership SET to_at = $2 WHERE node_no = $1`, stayed, at(1))
	w.run(w.closer())
	w.wantBalance(ledger.KindPayable, "node_stayed", 50)
	w.setNow(at(122))
	w.run(w.closer())
	w.wantBalance(ledger.KindPayable, "node_stayed", 50)
	w.wantBalance(ledger.KindPayable, "node_left", 52) // one minute of 61 is 1.639, the larger remainder
	w.wantBalance(ledger.KindPayable, "node_late", 98)
	w.wantSound()
}

// After a crash of ours the epoch waits until it is known who came back.
func TestEpochWaitsForThoseCutOff(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 100, at(0))
	back, gone := w.addNode("node_back", poolNo, at(0)), w.addNode("node_gone", poolNo, at(0))
	for _, no := range []int32{back, gone} {
		w.exec(`UPDATE node_presence SET to_at = $2 WHERE node_no = $1`, no, at(30))
	}
	// Two faults in a row; the first one does not touch the epoch's second half,
	// nor the second one its beginning.
	w.windows = []span.Interval{{From: at(30), To: at(58)}, {From: at(57), To: at(61)}}
	w.setNow(at(65))
	w.run(w.closer())
	if n := w.count("epoch"); n != 0 {
		t.Fatal("closed although two nodes may still come back")
	}
	w.exec(`INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2)`, back, at(66))
	w.setNow(at(70))
	w.run(w.closer())
	if n := w.count("epoch"); n != 0 {
		t.Fatal("closed although one node may still come back")
	}
	w.setNow(at(76.1))
	w.run(w.closer())
	w.wantBalance(ledger.KindPayable, "node_back", 67) // 60 minutes against 30
	w.wantBalance(ledger.KindPayable, "node_gone", 33)
	w.wantSound()
}

// A fault that began before the epoch is judged by who was there when it began,
// and lasts for a node until it is back, also when the fault itself was over
// before the epoch.
func TestFaultThatBeganInAnEarlierEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		back    time.Time
		windows []span.Interval
	}{
		"three in a row":   {at(81), []span.Interval{{From: at(40), To: at(59)}, {From: at(59), To: at(61)}, {From: at(61), To: at(80)}}},
		"over before it":   {at(70), []span.Interval{{From: at(40), To: at(58)}}},
		"one upon another": {at(60), []span.Interval{{From: at(40), To: at(45)}, {From: at(57), To: at(59)}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			no := w.addNode("node_a", w.addPool("pool_a", 100, at(60)), at(0))
			w.exec(`UPDATE node_presence SET to_at = $2 WHERE node_no = $1`, no, at(40))
			w.exec(`INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2)`, no, c.back)
			w.windows = c.windows
			w.setNow(at(122))
			w.run(w.closer())
			if got := query[int64](w, `SELECT credited_ms FROM statement_line`); got != 60*60_000 {
				t.Errorf("credited %d ms, want 60 minutes", got)
			}
		})
	}
}

// What follows earnings, payouts, does so at once; a run that closes nothing
// causes none.
func TestEpochIsFollowedUp(t *testing.T) {
	w := newWorld(t)
	w.addPool("pool_a", 0, at(60))
	closer := w.closer()
	for _, step := range []struct {
		minute float64
		want   int
	}{
		{63, 1}, // the first run of a process does what a crash may have left
		{64, 1}, {122, 2}, {123, 2},
	} {
		w.setNow(at(step.minute))
		w.run(closer)
		if w.followed != step.want {
			t.Errorf("followed up %d times at minute %v, want %d", w.followed, step.minute, step.want)
		}
	}
}

func TestPoolThatFailsDoesNotStopOthers(t *testing.T) {
	w := newWorld(t)
	bad := w.addNode("node_bad", w.addPool("pool_bad", 100, at(0)), at(0))
	w.addNode("node_good", w.addPool("pool_good", 100, at(0)), at(0))
	scores, broken := w.config().ScoreAsOf, errors.New("scores are broken")
	closer := w.closer(func(c *epoch.Config) {
		c.ScoreAsOf = func(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
			if slices.Contains(nodeNos, bad) {
				return nil, broken
			}
			return scores(ctx, tx, nodeNos, at)
		}
	})
	if err := closer.RunOnce(t.Context()); !errors.Is(err, broken) {
		t.Errorf("RunOnce: %v", err)
	}
	w.wantBalance(ledger.KindPayable, "node_good", 100)
	if n := w.count("epoch"); n != 1 {
		t.Errorf("%d epochs closed, want the good one", n)
	}
}

// Trouble is told once a run, and that the heartbeat is not there yet is none.
func TestUnrecordedFaultsKeepEpochsOpen(t *testing.T) {
	for name, unsettled := range map[string]error{"trouble": errors.New("not the leader"), "not yet": fmt.Errorf("%w: the heartbeat is behind", epoch.ErrNotYet)} {
		t.Run(name, func(t *testing.T) {
			w, asked := newWorld(t), 0
			w.addPool("pool_a", 100, at(0))
			closer := w.closer(func(c *epoch.Config) {
				c.FaultWindows = func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) {
					asked++
					return nil, unsettled
				}
			})
			err := closer.RunOnce(t.Context())
			if told := errors.Is(err, unsettled); told == errors.Is(unsettled, epoch.ErrNotYet) || asked != 1 || w.count("epoch") != 0 {
				t.Errorf("RunOnce: %v, asked %d times, %d epochs", err, asked, w.count("epoch"))
			}
		})
	}
}

func TestVettingHoldsAndReleases(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", ledger.USDT(24), at(0))
	fresh, suspect := w.addNode("node_fresh", poolNo, at(0)), w.addNode("node_suspect", poolNo, at(0))
	w.score(fresh, epoch.ScoreAt{ScoreNano: perfect})
	w.score(suspect, epoch.ScoreAt{ScoreNano: perfect, Vetted: true, Held: true})
	closer := w.closer()
	w.run(closer)
	w.wantBalance(ledger.KindHeld, "node_fresh", ledger.USDT(12))
	w.wantBalance(ledger.KindHeld, "node_suspect", ledger.USDT(12))
	if got := query[string](w, `SELECT string_agg(destination || reasons[1], ' ' ORDER BY node_no) FROM statement_line`); got != "heldnew heldheld" {
		t.Errorf("lines %q", got)
	}
	w.score(fresh, epoch.ScoreAt{ScoreNano: perfect, Vetted: true})
	w.setNow(at(122))
	w.run(closer)
	w.wantBalance(ledger.KindHeld, "node_fresh", 0)
	w.wantBalance(ledger.KindPayable, "node_fresh", ledger.USDT(24))
	w.wantBalance(ledger.KindHeld, "node_suspect", ledger.USDT(24))
	w.wantSound()
}

// Statements and epochs are as final as the ledger.
func TestClosedIsClosed(t *testing.T) {
	w := newWorld(t)
	w.addNode("node_a", w.addPool("pool_a", 100, at(0)), at(0))
	w.run(w.closer())
	for _, sql := range []string{
		`UPDATE epoch SET reward = 1`, `DELETE FROM epoch`, `TRUNCATE epoch CASCADE`,
		`UPDATE statement_line SET share = 1`, `DELETE FROM statement_line`, `TRUNCATE statement_line`,
	} {
		if _, err := w.pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		`INSERT INTO statement_line SELECT epoch_no + 1, node_no, 0, 0, 0, 'null', 0, 0, 'payable', '{}' FROM statement_line`,
		`INSERT INTO statement_line SELECT epoch_no, node_no + 1, 0, 0, 0, 'null', 0, 0, 'payable', '{}' FROM statement_line`,
	} {
		if _, err := w.pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "not there") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	_, err := w.pool.Exec(t.Context(), `INSERT INTO epoch (pool_no, starts_at, ends_at, reward, entry_id, closed_at)
		SELECT pool_no, starts_at, ends_at, reward, entry_id, closed_at FROM epoch`)
	if err == nil || !strings.Contains(err.Error(), "epoch_pool_no_starts_at_key") {
		t.Errorf("closing twice: %v", err)
	}
}

func ExampleConfig() {
	_, err := epoch.NewCloser(epoch.Config{Epoch: 7 * time.Minute, Grace: -time.Second})
	fmt.Println(err)
	// Output:
	// epoch: Pool, ScoreAsOf and FaultWindows are required
	// epoch: a day must hold a whole number of epochs of at least 1s, not of 7m0s
	// epoch: the grace time -1s is negative
}
