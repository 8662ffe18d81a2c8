package score_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

// life is what is on record of a node: all that its score is computed from.
type life struct {
	verdicts                 []score.Judged
	until                    []time.Time // for each verdict, where availability ended; nil: with it
	online, expected, faults []span.Interval
}

// day is as long as the rules think.
const day = 24 * time.Hour

// year draws a year of a node: it reboots, goes away for days, has a bad card for
// a week in which it answers wrongly, is slow in summer, and now and then the
// fault is ours. The generator's algorithm is fixed (PCG, and integers only), so
// every machine draws the same.
func year(gap time.Duration) life {
	dice := rand.New(rand.NewPCG(2026, 5))
	chance := func(percent int) bool { return dice.IntN(100) < percent }
	var l life
	end := noon.Add(365 * day)
	for at := noon; at.Before(end); {
		stay := time.Duration(1+dice.IntN(20)) * 12 * time.Hour
		l.online = append(l.online, span.Interval{From: at, To: at.Add(stay)})
		at = at.Add(stay + time.Duration(dice.IntN(90*60))*time.Second)
		if chance(8) {
			at = at.Add(time.Duration(dice.IntN(72)) * time.Hour)
		}
	}
	for at := noon; at.Before(end); {
		work := time.Duration(20+dice.IntN(60)) * day
		l.expected = append(l.expected, span.Interval{From: at, To: at.Add(work)})
		at = at.Add(work + time.Duration(dice.IntN(48))*time.Hour)
	}
	for at := noon.Add(10 * day); at.Before(end); at = at.Add(time.Duration(5+dice.IntN(30)) * day) {
		l.faults = append(l.faults, span.Interval{From: at, To: at.Add(time.Duration(20+dice.IntN(3600)) * time.Second)})
	}
	l.online = span.Of(l.online...).Without(span.Of(l.faults...)) // a fault of ours ends every connection
	for at := noon.Add(gap); at.Before(end); at = at.Add(gap/2 + time.Duration(dice.Int64N(int64(gap/time.Microsecond)))*time.Microsecond) {
		l.verdicts = append(l.verdicts, drawVerdict(at, dice.IntN(1000), dice.Int64N(score.One+1), dice.Int64N(score.One+1)))
	}
	return l
}

// drawVerdict is one of a node that works, but for two weeks in the year.
func drawVerdict(at time.Time, luck int, prompt, telemetry int64) score.Judged {
	v := score.Judged{Result: score.Valid, At: at, Prompt: &prompt, Telemetry: &telemetry}
	switch after := at.Sub(noon); {
	case after > 200*day && after < 207*day && luck < 700:
		v.Result = score.Invalid
	case after > 300*day && after < 307*day && luck < 500:
		v.Result = score.Missed
	case luck < 4:
		v.Result = score.Invalid
	case luck < 20:
		v.Result = score.Missed
	case luck < 30:
		v.Result = score.Late
	case luck < 36:
		v.Result = score.Void
	case luck < 40:
		v.Result = score.Deferred
	case luck < 45:
		v.Aside = true
	}
	if v.Result == score.Missed || v.Result == score.Void || v.Result == score.Deferred {
		v.Prompt, v.Telemetry = nil, nil
	}
	return v
}

// replay computes every score of a life from what is on record, by the pure
// rules alone: nobody's database, clock or earlier result is asked.
func replay(t testing.TB, l life, each func(i int, r score.Record)) {
	t.Helper()
	c := score.New()
	for i, v := range l.verdicts {
		var err error
		if c, err = score.Apply(c, v); err != nil {
			t.Fatal(err)
		}
		until := v.At
		if l.until != nil {
			until = l.until[i]
		}
		each(i, score.Evaluate(c, l.availability(until)))
	}
}

// availability at an instant follows from all that had begun by then.
func (l life) availability(at time.Time) int64 {
	e := score.Evidence{Online: began(l.online, at), Expected: began(l.expected, at)}
	e.Faults = span.Of(slices.DeleteFunc(slices.Clone(l.faults), func(f span.Interval) bool { return !f.From.Before(at) })...)
	return availability(e, score.Period(at))
}

// began are intervals up to an instant.
func began(all []span.Interval, at time.Time) span.Set {
	var known []span.Interval
	for _, i := range all {
		if i.From.Before(at) {
			known = append(known, span.Interval{From: i.From, To: span.Earliest(i.To, at)})
		}
	}
	return span.Of(known...)
}

// TestYearHasTheSameScoresEverywhere pins a year, verdict by verdict, on whatever
// processor it runs; TestYearOnARM64 runs it on an emulated one.
func TestYearHasTheSameScoresEverywhere(t *testing.T) {
	const (
		wantVerdicts = 8736
		wantDigest   = "82232e5b415f78256918b6966dc57cca302057a0196460a5be6525edf8e75ded"
		wantLast     = `{"Score":893339023,"Confidence":994229659,` +
			`"Factors":{"reputation":997896473,"timeliness":995333384,"availability":993692387,"quality":905128594},` +
			`"Counters":{"reputation_a":199579294445,"reputation_b":420705356,"timely_a":19906667664,"timely_b":93332317,"verdicts":8615,` +
			`"prompt":524437983,"telemetry":526847960,"standing":{"disqualified":true,"low_reputation":false,"low_timeliness":false}}}`
	)
	l, digest, last := year(time.Hour), sha256.New(), score.Record{}
	replay(t, l, func(_ int, r score.Record) {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		digest.Write(raw)
		last = r
	})
	raw, _ := json.Marshal(last)
	if got := hex.EncodeToString(digest.Sum(nil)); len(l.verdicts) != wantVerdicts || got != wantDigest || string(raw) != wantLast {
		t.Errorf("%d verdicts, digest %s, last %s; want %d, %s, %s", len(l.verdicts), got, raw, wantVerdicts, wantDigest, wantLast)
	}
}

// TestStoredYearIsReplayedToTheLastDigit lets the store count a year of a node,
// verdict by verdict, then computes it anew from what stands in the database.
func TestStoredYearIsReplayedToTheLastDigit(t *testing.T) {
	f := newFleet(t, nil)
	f.replayStored(f.storeYear())
}

// storeYear has the store count a year of a node.
func (f *fleet) storeYear() (node int32) {
	f.t.Helper()
	node, l := f.node(), year(4*time.Hour)
	for _, i := range l.online {
		f.exec("INSERT INTO node_presence (node_no, from_at, to_at) VALUES ($1, $2, $3)", node, i.From, i.To)
	}
	for _, i := range l.expected {
		f.exec("INSERT INTO node_state (node_no, status, from_at, to_at) VALUES ($1, 'active', $2, $3)", node, i.From, i.To)
	}
	for _, i := range l.faults {
		f.exec("INSERT INTO fault_window (cause, from_at, to_at) VALUES ('coordinator', $1, $2)", i.From, i.To)
	}
	for i, v := range l.verdicts {
		f.beat(v.At.Add(-time.Duration(i%2500) * time.Millisecond))
		f.count(node, v, false)
	}
	return node
}

// replayStored computes every score of a year anew from what stands in the
// database, and compares it with the stored one.
func (f *fleet) replayStored(node int32) {
	f.t.Helper()
	stored, after := f.life(node), f.changes(node)
	if len(stored.verdicts) < 2000 || len(after) != len(stored.verdicts) {
		f.t.Fatalf("%d verdicts and %d changes on record of a year", len(stored.verdicts), len(after))
	}
	var last score.Record
	replay(f.t, stored, func(i int, r score.Record) {
		if r.Score != after[i] {
			f.t.Fatalf("verdict %d of %d (%s): replayed %d, stored %d", i, len(after), stored.verdicts[i].Result, r.Score, after[i])
		}
		last = r
	})
	got, err := f.store.Get(f.t.Context(), node)
	if err != nil || got.Record != last || value[int64](f, "SELECT poot_score FROM node WHERE node_no = $1", node) != last.Score {
		f.t.Errorf("stored %+v, %v; replayed %+v", got.Record, err, last)
	}
}

// count stores a verdict as package challenge does, and counts it; or breaks off
// before the commit, as a crash does.
func (f *fleet) count(node int32, v score.Judged, crash bool) {
	f.t.Helper()
	crashed := errors.New("crash")
	if err := db.InTx(f.t.Context(), f.pool, func(tx db.Tx) error {
		no, err := f.insertVerdict(f.t.Context(), tx, node, "", v)
		if err != nil {
			return err
		}
		if _, err = f.store.OnVerdict(f.t.Context(), tx, score.Entry{NodeNo: node, No: no, Judged: v}); err == nil && crash {
			err = crashed
		}
		return err
	}); err != nil && !errors.Is(err, crashed) {
		f.t.Fatal(err)
	}
}

// rows reads a list.
func rows[T any](f *fleet, sql string, args ...any) []T {
	f.t.Helper()
	found, err := f.pool.Query(f.t.Context(), sql, args...)
	if err != nil {
		f.t.Fatal(err)
	}
	list, err := pgx.CollectRows(found, pgx.RowToStructByPos[T])
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// life reads what is on record of a node.
func (f *fleet) life(node int32) life {
	type verdict struct {
		Result            score.Result
		At                time.Time
		Aside             bool
		Prompt, Telemetry *int64
	}
	var l life
	for _, v := range rows[verdict](f, "SELECT result, at, NOT counted, prompt, telemetry FROM verdict WHERE node_no = $1 ORDER BY verdict_no", node) {
		l.verdicts = append(l.verdicts, score.Judged(v))
	}
	l.until = f.until(node)
	// What lasts has no end yet, and goes on beyond all that is asked for.
	l.online = rows[span.Interval](f, "SELECT from_at, coalesce(to_at, '9999-01-01') FROM node_presence WHERE node_no = $1 ORDER BY from_at", node)
	l.expected = rows[span.Interval](f, "SELECT from_at, coalesce(to_at, '9999-01-01') FROM node_state WHERE node_no = $1 AND status IN ('active', 'suspended') ORDER BY from_at", node)
	l.faults = rows[span.Interval](f, "SELECT from_at, to_at FROM fault_window ORDER BY from_at")
	return l
}

// until are the instants up to which availability was counted, one for each verdict.
func (f *fleet) until(node int32) (list []time.Time) {
	for _, r := range rows[struct{ Until time.Time }](f, `SELECT (factors ->> 'availability_until')::timestamptz FROM score_change
		WHERE node_no = $1 ORDER BY verdict_no`, node) {
		list = append(list, r.Until)
	}
	return list
}

// beat is the coordinator's last one.
func (f *fleet) beat(at time.Time) {
	f.exec("INSERT INTO coordinator_heartbeat (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at", at)
}

// changes are the scores that were recorded, one for each verdict.
func (f *fleet) changes(node int32) (after []int64) {
	for _, r := range rows[struct{ After int64 }](f, "SELECT after FROM score_change WHERE node_no = $1 ORDER BY verdict_no", node) {
		after = append(after, r.After)
	}
	return after
}
