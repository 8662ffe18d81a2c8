package score_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

// chain draws intervals one after the other, many of them short.
func chain(t *rapid.T, label string, length, gap *rapid.Generator[int]) (list []span.Interval) {
	for at := 0; at < 45*24*60; {
		i := span.Interval{From: minute(at), To: minute(at + length.Draw(t, label))}
		list = append(list, i)
		at = int(i.To.Sub(noon)/time.Minute) + gap.Draw(t, label)
	}
	return list
}

func long(most int) *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, most))
}

// since are those that begin from an instant on, and the one before.
func since(list []span.Interval, from time.Time) []span.Interval {
	first := 0
	for i := range list {
		if list[i].From.Before(from) {
			first = i
		}
	}
	return list[first:]
}

// What is counted up, however far and often it is moved on, is what the whole
// record gives in one step: of what was before its end only the last intervals are known.
func TestTallyGivesWhatTheWholeRecordGives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := life{
			online:   chain(rt, "online", long(3*24*60), long(600)),
			expected: chain(rt, "expected", long(9*24*60), long(24*60)),
			faults:   chain(rt, "fault", long(40), long(2*24*60)),
		}
		tally := score.NewTally(noon.Add(-day))
		for at := noon; at.Before(noon.Add(44 * day)); {
			at = at.Add(time.Duration(long(3*24*60).Draw(rt, "gap")) * time.Minute)
			known := life{online: since(l.online, tally.Through), expected: since(l.expected, tally.Through)}
			e := score.Evidence{Online: began(known.online, at), Expected: began(known.expected, at)}
			for _, f := range l.faults {
				if f.To.After(tally.Through) && f.From.Before(at) {
					e.Faults = append(e.Faults, f)
				}
			}
			if got, want := tally.Until(e, at).Availability(), l.availability(at); got != want {
				rt.Fatalf("at %s, counted up to %s: %d, the whole record gives %d", at, tally.Through, got, want)
			}
			if end := span.Apart(e.Faults, at.Add(-time.Duration(long(600).Draw(rt, "behind"))*time.Minute)); end.After(tally.Through) {
				tally = tally.Until(e, end)
			}
		}
	})
}

// keeper drives a node's record as it comes about, in time and late.
type keeper struct {
	*fleet
	rt   *rapid.T
	node int32
	at   time.Time
}

// TestStoredScoreFollowsARecordThatChangesLate writes presence, states and fault
// windows now and long ago, breaks off verdicts, and compares every score with
// what the tables give as a whole at that moment.
func TestStoredScoreFollowsARecordThatChangesLate(t *testing.T) {
	f := newFleet(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		f.exec("DELETE FROM fault_window")
		k := keeper{f, rt, f.node(), noon}
		k.exec("INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)", k.node, noon)
		k.connect()
		for range rapid.IntRange(20, 60).Draw(rt, "steps") {
			k.at = k.at.Add(time.Duration(long(20*60).Draw(rt, "pause")) * time.Minute)
			rapid.SampledFrom([]func(){
				k.connect, func() { k.leave(0) }, k.leaveLate, k.changeState, k.fault, k.lateFault, k.extendFault, k.crash, k.verdict, k.verdict,
			}).Draw(rt, "what")()
		}
		k.verdict()
	})
}

func (k *keeper) connect() {
	k.exec("INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", k.node, k.at)
}

func (k *keeper) leave(late time.Duration) {
	k.exec("UPDATE node_presence SET to_at = GREATEST($2, from_at) WHERE node_no = $1 AND to_at IS NULL", k.node, k.at.Add(-late))
}

// leaveLate writes a departure that the database could not take for days.
func (k *keeper) leaveLate() {
	k.leave(time.Duration(long(4*24*60).Draw(k.rt, "late")) * time.Minute)
}

func (k *keeper) changeState() {
	at := k.at.Add(-time.Duration(long(24*60).Draw(k.rt, "late")) * time.Minute)
	if err := db.InTx(k.t.Context(), k.pool, func(tx db.Tx) error {
		var from time.Time
		err := tx.QueryRow(k.t.Context(), `UPDATE node_state SET to_at = GREATEST($2, from_at + interval '1 microsecond')
			WHERE node_no = $1 AND to_at IS NULL RETURNING to_at`, k.node, at).Scan(&from)
		if err == nil {
			status := rapid.SampledFrom([]string{"active", "suspended", "maintenance"}).Draw(k.rt, "status")
			_, err = tx.Exec(k.t.Context(), "INSERT INTO node_state (node_no, status, from_at) VALUES ($1, $2, $3)", k.node, status, from)
		}
		return err
	}); err != nil {
		k.rt.Fatal(err)
	}
}

func (k *keeper) record(from, to time.Time) {
	if _, err := outage.Record(k.t.Context(), k.pool, outage.Coordinator, from, to); err != nil {
		k.rt.Fatal(err)
	}
}

func (k *keeper) fault() {
	k.record(k.at.Add(-time.Duration(long(60).Draw(k.rt, "lasted"))*time.Minute), k.at)
}

func (k *keeper) lateFault() {
	from := k.at.Add(-time.Duration(long(32*24*60).Draw(k.rt, "late")) * time.Minute)
	k.record(from, from.Add(time.Duration(long(60).Draw(k.rt, "lasted"))*time.Minute))
}

func (k *keeper) extendFault() {
	k.exec("UPDATE fault_window SET to_at = to_at + interval '7 minutes' WHERE window_no = (SELECT max(window_no) FROM fault_window)")
}

// crash is a verdict whose transaction does not come to its end.
func (k *keeper) crash() {
	k.count(k.node, score.Judged{Result: score.Valid, At: k.at}, true)
}

func (k *keeper) verdict() {
	k.count(k.node, score.Judged{Result: score.Valid, At: k.at}, false)
	got, err := k.store.Get(k.t.Context(), k.node)
	if err != nil {
		k.rt.Fatal(err)
	}
	if want := k.life(k.node).availability(k.at); got.Factors.Availability != want {
		k.rt.Fatalf("at %s: stored availability %d, the record gives %d", k.at, got.Factors.Availability, want)
	}
}

// What a verdict counted is not read by the next one: it may as well be gone.
func TestVerdictReadsNoHistoryAgain(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	f.exec("INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)", node, noon.Add(-20*day))
	for d := range 20 {
		f.exec("INSERT INTO node_presence (node_no, from_at, to_at) VALUES ($1, $2, $3)", node, noon.Add(time.Duration(d-20)*day), noon.Add(time.Duration(d-20)*day+18*time.Hour))
		f.exec("INSERT INTO fault_window (cause, from_at, to_at) VALUES ('broker', $1, $2)", noon.Add(time.Duration(d-20)*day), noon.Add(time.Duration(d-20)*day+time.Hour))
	}
	first := f.judge(node, score.Valid, "", noon)
	f.exec("DELETE FROM node_presence WHERE to_at < $1", noon.Add(-day))
	f.exec("DELETE FROM fault_window")
	if next := f.judge(node, score.Valid, "", noon); next.After != first.After || first.After == score.One || first.After == 0 {
		t.Errorf("score %d with its history, %d without", first.After, next.After)
	}
}

// The way back from a fault of ours counts with the fault, wherever the tally
// would end by the clock: here between the fault and the node's coming back.
func TestTallyDoesNotEndOnTheWayBackFromAFault(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	f.exec("INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)", node, minute(-3*60))
	f.exec("INSERT INTO node_presence (node_no, from_at, to_at) VALUES ($1, $2, $3), ($1, $4, NULL)", node, minute(-3*60), minute(0), minute(12))
	if _, err := outage.Record(t.Context(), f.pool, outage.Broker, minute(0), minute(2)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{60 + 7, 60 + 8, 120 + 9} { // an hour after the fault, and 5, 6 and 67 minutes
		if got := f.judge(node, score.Valid, "", minute(at)); got.After != score.One {
			t.Errorf("after %d minutes: %d, though only we were away", at, got.After)
		}
	}
}
