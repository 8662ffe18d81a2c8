package score_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/score"
)

// fleet is a database with nodes, and the store under test.
type fleet struct {
	t     testing.TB
	pool  *db.Pool
	store *score.Store
	clock time.Time
}

func newFleet(t testing.TB, vetting *score.Vetting) *fleet {
	t.Helper()
	return fleetIn(t, dbtest.New(t), vetting)
}

func fleetIn(t testing.TB, pool *db.Pool, vetting *score.Vetting) *fleet {
	t.Helper()
	if vetting == nil {
		vetting = &score.Vetting{Verdicts: 100, Age: 7 * 24 * time.Hour}
	}
	f := &fleet{t: t, pool: pool, clock: noon}
	var err error
	f.store, err = score.NewStore(score.Config{Pool: f.pool, Vetting: *vetting, Now: func() time.Time { return f.clock },
		SetNodeScore: func(ctx context.Context, tx db.Tx, nodeNo int32, s int64) error {
			_, err := tx.Exec(ctx, "UPDATE node SET poot_score = $2, updated_at = clock_timestamp() WHERE node_no = $1", nodeNo, s)
			return err
		}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fleet) exec(sql string, args ...any) {
	f.t.Helper()
	dbtest.Exec(f.t, f.pool, sql, args...)
}

func value[T any](f *fleet, sql string, args ...any) T {
	f.t.Helper()
	return dbtest.Value[T](f.t, f.pool, sql, args...)
}

func (f *fleet) node() int32 {
	name := "node_" + uuid.NewString()
	return value[int32](f, "INSERT INTO node (node_id, name, status) VALUES ($1, $1, 'active') RETURNING node_no", name)
}

// insertVerdict stores a judged challenge, as package challenge does.
func (f *fleet) insertVerdict(ctx context.Context, tx db.Tx, node int32, reason string, v score.Judged) (no int64, err error) {
	id := uuid.New()
	if _, err := tx.Exec(ctx, `INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
		VALUES ($1, $2, 1, 1, $3, $4, $4, '', 'judged')`, id, node, v.At.Add(-time.Second), v.At); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `INSERT INTO verdict (challenge_id, node_no, at, result, reason, rule_version, answered_ms, counted, prompt, telemetry)
		VALUES ($1, $2, $3, $4, $5, 1, 250, $6, $7, $8) RETURNING verdict_no`, id, node, v.At, v.Result, reason, !v.Aside, v.Prompt, v.Telemetry).Scan(&no)
	return no, err
}

func (f *fleet) judge(node int32, result score.Result, reason string, at time.Time) score.Change {
	f.t.Helper()
	var change score.Change
	err := db.InTx(f.t.Context(), f.pool, func(tx db.Tx) error {
		no, err := f.insertVerdict(f.t.Context(), tx, node, reason, score.Judged{Result: result, At: at})
		if err != nil {
			return err
		}
		change, err = f.store.OnVerdict(f.t.Context(), tx, score.Entry{NodeNo: node, No: no, Reason: reason, Judged: score.Judged{Result: result, At: at}})
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return change
}

func (f *fleet) again(node int32, verdictNo int64) (change score.Change, err error) {
	err = db.InTx(f.t.Context(), f.pool, func(tx db.Tx) error {
		change, err = f.store.OnVerdict(f.t.Context(), tx, score.Entry{NodeNo: node, No: verdictNo, Judged: score.Judged{Result: score.Missed, At: noon}})
		return err
	})
	return change, err
}

func TestFirstVerdict(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	got := f.judge(node, score.Missed, "no answer", noon)
	if got.Before != 0 || got.After != 950_000_000 || got.Confidence != 19_607_843 || got.FailuresLeft != 9 ||
		got.Factors != (score.Factors{Reputation: score.One, Timeliness: 950_000_000, Availability: score.One, Quality: score.One}) ||
		got.Standing != (score.Standing{}) || got.Vetted || got.Repeated || len(got.Steps) != 5 {
		t.Errorf("change %+v", got)
	}
	if stored := value[int64](f, "SELECT poot_score FROM node WHERE node_no = $1", node); stored != got.After {
		t.Errorf("the node shows %d, want %d", stored, got.After)
	}
	if reason := value[string](f, "SELECT reason FROM score_change WHERE verdict_no = $1", got.VerdictNo); reason != "missed: no answer" {
		t.Errorf("reason %q", reason)
	}
}

func TestSameVerdictCountsOnce(t *testing.T) {
	f := newFleet(t, nil)
	node, other := f.node(), f.node()
	for i, r := range []score.Result{score.Missed, score.Invalid, score.Void} {
		first := f.judge(node, r, "", noon.Add(time.Duration(i)*time.Minute))
		updated := value[time.Time](f, "SELECT updated_at FROM node WHERE node_no = $1", node)
		again, err := f.again(node, first.VerdictNo)
		if err != nil || !again.Repeated {
			t.Fatalf("again: %+v, %v", again, err)
		}
		again.Repeated = false
		if fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("again %+v, first %+v", again, first)
		}
		if later := value[time.Time](f, "SELECT updated_at FROM node WHERE node_no = $1", node); !later.Equal(updated) {
			t.Error("the node was written again")
		}
		if _, err := f.again(other, first.VerdictNo); err == nil || !strings.Contains(err.Error(), "was counted for node number") {
			t.Errorf("the verdict of another node: %v", err)
		}
	}
	// An older verdict, asked again after later ones, still gives its own answer.
	oldest := value[int64](f, "SELECT min(verdict_no) FROM verdict")
	if again, err := f.again(node, oldest); err != nil || again.Before != 0 || again.After != 950_000_000 {
		t.Errorf("the first verdict again: %+v, %v", again, err)
	}
	if n := value[int64](f, "SELECT count(*) FROM score_change"); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
}

func TestRolledBackVerdictLeavesNothing(t *testing.T) {
	f := newFleet(t, nil)
	node, stop := f.node(), errors.New("stop")
	err := db.InTx(t.Context(), f.pool, func(tx db.Tx) error {
		no, err := f.insertVerdict(t.Context(), tx, node, "", score.Judged{Result: score.Valid, At: noon})
		if err != nil {
			return err
		}
		if _, err := f.store.OnVerdict(t.Context(), tx, score.Entry{NodeNo: node, No: no, Judged: score.Judged{Result: score.Valid, At: noon}}); err != nil {
			return err
		}
		return stop
	})
	rows := value[int64](f, "SELECT (SELECT count(*) FROM score) + (SELECT count(*) FROM score_change) + (SELECT sum(poot_score) FROM node)")
	if !errors.Is(err, stop) || rows != 0 {
		t.Errorf("%v, %d left", err, rows)
	}
}

// Verdicts of one node that arrive at once, each of them twice, are counted
// one after the other and once.
func TestConcurrentVerdicts(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	var numbers []int64
	if err := db.InTx(t.Context(), f.pool, func(tx db.Tx) error {
		for range 8 {
			no, err := f.insertVerdict(t.Context(), tx, node, "", score.Judged{Result: score.Missed, At: noon})
			if err != nil {
				return err
			}
			numbers = append(numbers, no)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, no := range append(numbers, numbers...) {
		all.Go(func() {
			if _, err := f.again(node, no); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want := score.Evaluate(apply(t, score.New(), repeat(8, score.Missed)...), score.One)
	got, err := f.store.Get(t.Context(), node)
	if err != nil || got.Record != want {
		t.Errorf("got %+v, %v, want %+v", got.Record, err, want)
	}
}

func TestOnVerdictRefusesAnUnknownResult(t *testing.T) {
	f := newFleet(t, nil)
	err := db.InTx(t.Context(), f.pool, func(tx db.Tx) error {
		_, err := f.store.OnVerdict(t.Context(), tx, score.Entry{NodeNo: f.node(), No: 1, Judged: score.Judged{Result: "perhaps", At: noon}})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), `"perhaps" is no result`) {
		t.Errorf("error %v", err)
	}
}

func TestStoredAvailability(t *testing.T) {
	f := newFleet(t, nil)
	node, day := f.node(), 24*time.Hour
	state := func(status string, from time.Duration, to any) {
		f.exec("INSERT INTO node_state (node_no, status, from_at, to_at) VALUES ($1, $2, $3, $4)", node, status, noon.Add(from), to)
	}
	online := func(from time.Duration, to any) {
		f.exec("INSERT INTO node_presence (node_no, from_at, to_at) VALUES ($1, $2, $3)", node, noon.Add(from), to)
	}
	state("active", -50*day, noon.Add(-40*day)) // beyond the period
	state("maintenance", -40*day, noon.Add(-20*day))
	state("active", -20*day, noon.Add(-10*day))
	state("suspended", -10*day, nil)
	online(-50*day, noon.Add(-45*day))
	online(-45*day, noon.Add(-10*day)) // reaches into the period
	online(-10*day+5*time.Minute, noon.Add(-5*day))
	online(-1*day, nil)
	if _, err := outage.Record(t.Context(), f.pool, outage.Coordinator, noon.Add(-10*day), noon.Add(-10*day+time.Minute)); err != nil {
		t.Fatal(err)
	}
	f.exec("INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2)", f.node(), noon.Add(-50*day)) // another node
	// Expected 20 days; online 10 + 5 + 1 days. The 5 minutes from our fault
	// until it was back count as served.
	want := score.One * 16 / 20
	if got := f.judge(node, score.Valid, "", noon); got.After != want {
		t.Errorf("score %d, want %d", got.After, want)
	}
}

// Our database fails, the node loses its connection and is back before the beat
// that finds the fault: its proof in between must not be told that it was away.
func TestAbsenceSinceTheLastBeatIsNotCountedYet(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	f.exec("INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)", node, noon)
	f.exec("INSERT INTO node_presence (node_no, from_at, to_at) VALUES ($1, $2, $3)", node, noon, noon.Add(11*time.Minute))
	f.exec("INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2)", node, noon.Add(14*time.Minute))
	f.beat(minute(10))
	if got := f.judge(node, score.Valid, "", noon.Add(15*time.Minute)); got.After != score.One {
		t.Errorf("score %d before a beat told of the absence, want %d", got.After, score.One)
	}
	f.beat(minute(20))
	if got, want := f.judge(node, score.Valid, "", noon.Add(20*time.Minute)), score.One*17/20; got.After != want {
		t.Errorf("score %d for an absence that no fault explains, want %d", got.After, want)
	}
}

func TestSuspensionIsReportedOnce(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	for i := range 11 {
		change := f.judge(node, score.Missed, "", noon.Add(time.Duration(i)*time.Minute))
		if was, is := change.Was.Suspended(), change.Standing.Suspended(); was != (i > 9) || is != (i >= 9) || change.FailuresLeft != max(0, 9-i) {
			t.Errorf("miss %d: suspended %v -> %v, failures left %d", i+1, was, is, change.FailuresLeft)
		}
	}
}

func TestVetting(t *testing.T) {
	f := newFleet(t, &score.Vetting{Verdicts: 3, Age: time.Hour})
	node := f.node()
	for i, step := range []struct {
		result score.Result
		at     time.Duration
		want   bool
	}{
		{score.Valid, 0, false},
		{score.Void, 2 * time.Hour, false}, // old enough, but void counts nothing
		{score.Valid, 2*time.Hour + 1, false},
		{score.Valid, 3 * time.Hour, true},
		{score.Invalid, 4 * time.Hour, true},
	} {
		if got := f.judge(node, step.result, "", noon.Add(step.at)); got.Vetted != step.want {
			t.Errorf("verdict %d: vetted %v, want %v", i+1, got.Vetted, step.want)
		}
	}
	got, err := f.store.Get(t.Context(), node)
	if err != nil || got.VettedAt == nil || !got.VettedAt.Equal(noon.Add(3*time.Hour)) {
		t.Errorf("vetted at %v, %v", got.VettedAt, err)
	}
	young := f.node()
	for range 3 {
		if got := f.judge(young, score.Valid, "", noon); got.Vetted {
			t.Error("vetted at once")
		}
	}
	if none := newFleet(t, &score.Vetting{}); !none.judge(none.node(), score.Missed, "", noon).Vetted {
		t.Error("vetting that asks for nothing was not passed")
	}
}

func TestStoreConfig(t *testing.T) {
	if _, err := score.NewStore(score.Config{}); err == nil {
		t.Error("an empty config was accepted")
	}
}
