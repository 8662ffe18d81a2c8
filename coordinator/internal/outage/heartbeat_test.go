package outage_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/outage"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// world is a database and a clock that processes share.
type world struct {
	t      *testing.T
	pool   *db.Pool
	now    time.Time
	starts []time.Time
	gaps   []outage.Window
}

func newWorld(t *testing.T) *world {
	return &world{t: t, pool: dbtest.New(t), now: noon}
}

// process starts a coordinator's heartbeat with a threshold of 6 s.
func (w *world) process() *outage.Heartbeat {
	w.t.Helper()
	h, err := outage.NewHeartbeat(outage.Config{
		Pool: w.pool,
		Now:  func() time.Time { return w.now },
		OnStart: func(_ context.Context, _ db.Tx, last time.Time) error {
			w.starts = append(w.starts, last)
			return nil
		},
		OnGap: func(_ context.Context, _ db.Tx, gap outage.Window) error {
			w.gaps = append(w.gaps, gap)
			return nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) beat(h *outage.Heartbeat, after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	if err := h.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// expect compares the stored windows, and those told to OnGap, with what is wanted.
func (w *world) expect(want ...outage.Window) {
	w.t.Helper()
	got, err := outage.Windows(w.t.Context(), w.pool, noon.AddDate(-5, 0, 0), noon.AddDate(5, 0, 0))
	if err != nil {
		w.t.Fatal(err)
	}
	if len(got) != len(want) || len(w.gaps) != len(want) {
		w.t.Fatalf("windows %+v, told %+v, want %+v", got, w.gaps, want)
	}
	for i := range want {
		want[i].No = got[i].No
		if got[i] != want[i] || w.gaps[i] != want[i] {
			w.t.Errorf("window %d is %+v, told %+v, want %+v", i, got[i], w.gaps[i], want[i])
		}
	}
}

func window(cause outage.Cause, from, to time.Duration) outage.Window {
	return outage.Window{Cause: cause, From: noon.Add(from), To: noon.Add(to)}
}

func TestSteadyBeatsMakeNoWindow(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	w.beat(h, 0)
	for range 5 {
		w.beat(h, 2*time.Second)
	}
	w.beat(h, 6*time.Second) // the threshold itself is not beyond it
	w.expect()
	if len(w.starts) != 1 || !w.starts[0].IsZero() {
		t.Errorf("OnStart was told %v, want one zero time: there was no predecessor", w.starts)
	}
}

func TestRestartAfterLongStop(t *testing.T) {
	w := newWorld(t)
	first := w.process()
	w.beat(first, 0)
	w.beat(first, 2*time.Second)
	w.beat(w.process(), time.Minute)
	w.expect(window(outage.Coordinator, 2*time.Second, 62*time.Second))
	if len(w.starts) != 2 || !w.starts[1].Equal(noon.Add(2*time.Second)) {
		t.Errorf("OnStart was told %v, want the last beat of the first process", w.starts)
	}
}

// Even a restart that is quicker than the threshold cut every connection.
func TestQuickRestart(t *testing.T) {
	w := newWorld(t)
	w.beat(w.process(), 0)
	second := w.process()
	w.beat(second, time.Second)
	w.beat(second, 2*time.Second)
	w.beat(w.process(), 0) // no time at all is no window
	w.expect(window(outage.Coordinator, 0, time.Second))
	if len(w.starts) != 3 || !w.starts[1].Equal(noon) {
		t.Errorf("OnStart was told %v, want %v second", w.starts, noon)
	}
}

func TestStandstillOfTheProcess(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	w.beat(h, 0)
	w.beat(h, 6*time.Second+time.Microsecond)
	w.expect(window(outage.Coordinator, 0, 6*time.Second+time.Microsecond))
}

func TestDatabaseThatRefusesWrites(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	w.beat(h, 0)
	w.exec("ALTER TABLE coordinator_heartbeat RENAME TO away")
	for range 4 {
		w.now = w.now.Add(2 * time.Second)
		if err := h.RunOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "heartbeat") {
			t.Fatalf("beat without a table: %v", err)
		}
	}
	w.exec("ALTER TABLE away RENAME TO coordinator_heartbeat")
	w.beat(h, 2*time.Second)
	w.beat(h, 7*time.Second) // healthy again: the next gap is not the database's
	w.expect(window(outage.Database, 0, 10*time.Second), window(outage.Coordinator, 10*time.Second, 17*time.Second))
}

// A process that finds the database down at its start cannot know how long it
// was; nobody was working.
func TestDatabaseDownAtStart(t *testing.T) {
	w := newWorld(t)
	w.beat(w.process(), 0)
	w.exec("ALTER TABLE coordinator_heartbeat RENAME TO away")
	h := w.process()
	if err := h.RunOnce(t.Context()); err == nil {
		t.Fatal("beat without a table")
	}
	w.exec("ALTER TABLE away RENAME TO coordinator_heartbeat")
	w.beat(h, 20*time.Second)
	w.expect(window(outage.Coordinator, 0, 20*time.Second))
}

func (w *world) exec(sql string) {
	w.t.Helper()
	dbtest.Exec(w.t, w.pool, sql)
}

func TestClockThatGoesBack(t *testing.T) {
	for name, back := range map[string]time.Duration{"by a minute": time.Minute, "by five days": 5 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			h := w.process()
			w.beat(h, 0)
			w.beat(h, -back)
			w.beat(h, 2*time.Second)
			w.beat(w.process(), -back) // nor is it one across a restart
			w.expect()
		})
	}
}

func TestClockThatGoesBackAndReturns(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	w.beat(h, 0)
	w.beat(h, -30*time.Minute)
	w.beat(h, 2*time.Second)
	w.beat(h, 30*time.Minute)
	w.expect()
	w.beat(h, time.Minute) // and a true gap is seen afterwards
	w.expect(window(outage.Coordinator, 2*time.Second, 62*time.Second))
}

func TestClockThatStoodInTheFuture(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	w.now = noon.AddDate(1, 0, 0)
	w.beat(h, 0)
	w.now = noon
	w.beat(h, 0)
	w.expect()
	w.beat(h, time.Minute)
	w.expect(window(outage.Coordinator, 0, time.Minute))
}

func TestFailingCallbackUndoesBeatAndWindow(t *testing.T) {
	pool := dbtest.New(t)
	now, refuse, told := noon, errors.New("not yet"), 0
	h, err := outage.NewHeartbeat(outage.Config{Pool: pool, Now: func() time.Time { return now },
		OnGap: func(ctx context.Context, tx db.Tx, gap outage.Window) error {
			if told++; told == 1 {
				return refuse
			}
			_, err := tx.Exec(ctx, "UPDATE fault_window SET cause = 'broker' WHERE window_no = $1", gap.No)
			return err
		}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {time.Minute, refuse}, {time.Second, nil}, {time.Second, nil}} {
		now = now.Add(step.after)
		if err := h.RunOnce(t.Context()); !errors.Is(err, step.want) {
			t.Fatalf("after %v: %v, want %v", step.after, err, step.want)
		}
	}
	got, err := outage.Windows(t.Context(), pool, noon, now)
	if err != nil || len(got) != 1 || got[0].Cause != outage.Broker || !got[0].From.Equal(noon) || !got[0].To.Equal(noon.Add(61*time.Second)) {
		t.Errorf("windows %+v, %v: want one from noon for 61 s, changed in its own transaction", got, err)
	}
}

func TestHangingDatabaseDoesNotHangTheHeart(t *testing.T) {
	pool := dbtest.New(t)
	h, err := outage.NewHeartbeat(outage.Config{Pool: pool, Threshold: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	if _, err := tx.Exec(t.Context(), "LOCK TABLE coordinator_heartbeat"); err != nil {
		t.Fatal(err)
	}
	if err := h.RunOnce(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beat against a locked table: %v, want a deadline", err)
	}
}

func TestHeartbeatConfig(t *testing.T) {
	if _, err := outage.NewHeartbeat(outage.Config{}); err == nil {
		t.Error("no pool was accepted")
	}
	pool := dbtest.New(t)
	if _, err := outage.NewHeartbeat(outage.Config{Pool: pool, Threshold: -time.Second}); err == nil {
		t.Error("a threshold below 0 was accepted")
	}
	if _, err := outage.NewHeartbeat(outage.Config{Pool: pool}); err != nil {
		t.Errorf("zero config: %v", err)
	}
}

// A coordinator that lost the lease for a while must not go on as if nothing
// had happened: its successor has ended the presence of its nodes.
func TestSupersededByAnotherProcess(t *testing.T) {
	w := newWorld(t)
	first, second := w.process(), w.process()
	superseded := func(h *outage.Heartbeat, want error) {
		t.Helper()
		if err := h.Superseded(t.Context()); !errors.Is(err, want) {
			t.Fatalf("superseded: %v, want %v", err, want)
		}
	}
	superseded(first, nil)
	w.beat(first, 0)
	superseded(first, nil)
	superseded(second, nil) // it has not led yet, so it has lost nothing
	w.beat(second, time.Second)
	superseded(first, outage.ErrSuperseded)
	superseded(second, nil)
	w.now = w.now.Add(time.Second)
	if err := first.RunOnce(t.Context()); !errors.Is(err, outage.ErrSuperseded) {
		t.Fatalf("beat of the first: %v", err)
	}
	w.beat(second, time.Second) // the refused beat left no trace
	w.expect(window(outage.Coordinator, 0, time.Second))
}

// A short trouble that no gap between beats shows costs nodes their connections
// and answers all the same.
func TestDisturbance(t *testing.T) {
	w := newWorld(t)
	h := w.process()
	h.Disturb()
	w.beat(h, 0) // before the first beat there is nothing to disturb
	w.beat(h, time.Second)
	h.Disturb()
	w.exec("ALTER TABLE coordinator_heartbeat RENAME TO away")
	w.now = w.now.Add(time.Second)
	if err := h.RunOnce(t.Context()); err == nil {
		t.Fatal("beat without a table")
	}
	w.exec("ALTER TABLE away RENAME TO coordinator_heartbeat")
	w.beat(h, time.Second) // not forgotten by the beat that failed
	w.expect(window(outage.Database, time.Second, 3*time.Second))
	w.beat(h, time.Second) // the connection that it cost ended after that beat
	w.gaps = w.gaps[1:]    // told twice, since it grew
	w.expect(window(outage.Database, time.Second, 4*time.Second))
	w.beat(h, time.Second)
	w.expect(window(outage.Database, time.Second, 4*time.Second))

	for range 3 { // trouble that lasts is one window that grows
		h.Disturb()
		w.beat(h, time.Second)
	}
	got, err := outage.Windows(t.Context(), w.pool, noon, w.now)
	if err != nil || len(got) != 2 || !got[1].From.Equal(noon.Add(5*time.Second)) || !got[1].To.Equal(noon.Add(8*time.Second)) {
		t.Errorf("windows %+v, %v: want a second one of 3 s", got, err)
	}
}
