package sample

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// kept names the letters that are left, oldest first, as node:reason.
func kept(t *testing.T, s *Store) string {
	t.Helper()
	return value[string](t, s.cfg.Pool, `SELECT coalesce(string_agg(split_part(n.name, '-', 1) || ':' || d.reason, ' ' ORDER BY letter_no), '')
		FROM dead_letter d JOIN node n USING (node_no)`)
}

func TestDeadLettersAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		limits LetterLimits
		want   string
	}{
		"none reached":    {LetterLimits{}, "a:0 a:1 a:2 a:3 b:0 a:4 a:5??"},
		"count":           {LetterLimits{Count: 4}, "a:3 b:0 a:4 a:5??"},
		"bytes":           {LetterLimits{Bytes: 2*101 + 103}, "b:0 a:4 a:5??"},
		"count of one":    {LetterLimits{NodeCount: 2}, "b:0 a:4 a:5??"},
		"bytes of one":    {LetterLimits{NodeBytes: 103 + 101}, "b:0 a:4 a:5??"},
		"per minute":      {LetterLimits{PerMinute: 3}, "a:0 a:1 a:2"},
		"of one a minute": {LetterLimits{NodePerMinute: 3}, "a:0 a:1 a:2 b:0"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := dbtest.New(t)
			store := NewStore(Config{Pool: pool, Now: atNoon, DeadLetters: c.limits})
			nodes := map[string]int32{"a": newNode(t, pool, "a-node"), "b": newNode(t, pool, "b-node")}
			for _, l := range []string{"a:0", "a:1", "a:2", "a:3", "b:0", "a:4", "a:5\x00\xff"} {
				if err := store.DeadLetter(t.Context(), nodes[l[:1]], wire.ChannelInfo, l[2:], make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
			}
			maintain(t, store)
			if got := kept(t, store); got != c.want {
				t.Errorf("kept %s, want %s", got, c.want)
			}
		})
	}
}

// A node that sends nonsense without end fills nothing, holds nobody up and
// gets its acknowledgements; in the next minute it is heard again.
func TestFloodOfDeadLetters(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	store := NewStore(Config{Pool: pool, Now: clock.now, DeadLetters: LetterLimits{NodePerMinute: 5}})
	in := run(t, IngestConfig{Store: store})
	bad, good := newNode(t, pool, "bad"), newNode(t, pool, "good")
	for range 30 {
		mustStore(t, in, bad, []byte("{"))
	}
	mustStore(t, in, good, payloadOf(t, wire.NewRunID(), 1, 1))
	mustStore(t, in, good, []byte("{"))
	wantCounts(t, pool, 1, 6)
	if all, unkept := testutil.ToFloat64(in.count.letters.WithLabelValues(reasonMalformed)), testutil.ToFloat64(in.count.unkept); all != 31 || unkept != 25 {
		t.Errorf("%v letters counted, %v of them not kept, want 31 and 25", all, unkept)
	}
	clock.add(time.Minute)
	mustStore(t, in, bad, []byte("{"))
	wantCounts(t, pool, 1, 7)
}

func TestListOfDeadLetters(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	a, b, id := newNode(t, pool, "aaa"), newNode(t, pool, "bbb"), wire.NewRunID()
	mustStore(t, in, a, payloadOf(t, id, 1, 2))
	mustStore(t, in, a, payloadOf(t, id, 2, 3))             // overlap
	mustStore(t, in, a, payloadOf(t, id, 2, 2))             // conflict
	mustStore(t, in, b, bytes.Repeat([]byte("\xff"), 5000)) // malformed
	if err := in.store.DeadLetter(t.Context(), b, wire.ChannelStatus, "no status", nil); err != nil {
		t.Fatal(err)
	}
	list := func(f LetterFilter) string {
		t.Helper()
		var got []string
		for pages := 0; pages < 10; pages++ {
			letters, next, err := in.store.Letters(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range letters {
				got = append(got, fmt.Sprintf("%s/%s/%s/%d", *l.NodeID, l.Channel, l.Kind, len(l.Payload)))
			}
			if f.Before = next; next == 0 {
				break
			}
		}
		return strings.Join(got, " ")
	}
	size := len(payloadOf(t, id, 2, 2))
	all := fmt.Sprintf("node_bbb/status/malformed/0 node_bbb/metrics/malformed/4096 node_aaa/metrics/conflict/%d node_aaa/metrics/overlap/%d",
		size, len(payloadOf(t, id, 2, 3)))
	for f, want := range map[LetterFilter]string{
		{Limit: 100}:                           all,
		{Limit: 1}:                             all,
		{Limit: 2}:                             all,
		{Limit: 9, NodeID: "node_bbb"}:         "node_bbb/status/malformed/0 node_bbb/metrics/malformed/4096",
		{Limit: 9, NodeID: "node_c"}:           "",
		{Limit: 9, Kind: "conflict"}:           fmt.Sprintf("node_aaa/metrics/conflict/%d", size),
		{Limit: 9, Channel: "status"}:          "node_bbb/status/malformed/0",
		{Limit: 9, Channel: "x", Kind: "time"}: "",
	} {
		if got := list(f); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
}

// A node that draws a run id for each message fills no table: it gets its
// acknowledgements, its run of before goes on, nobody else is touched, and what is
// of another time, as a backlog is, is heard.
func TestRunsOfANodeAreBounded(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	store := NewStore(Config{Pool: pool, Now: clock.now})
	in := run(t, IngestConfig{Store: store})
	restless, other, id := newNode(t, pool, "restless"), newNode(t, pool, "other"), wire.NewRunID()
	mustStore(t, in, restless, payloadOf(t, id, 1, 1))
	if _, err := pool.Exec(t.Context(), `INSERT INTO node_run (node_no, run_id, last_at, started_at)
		SELECT $1, gen_random_uuid(), $2, $2 FROM generate_series(2, $3::integer)`, restless, noon, maxRunsAround); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		mustStore(t, in, restless, payloadOf(t, wire.NewRunID(), 1, 1))
	}
	mustStore(t, in, restless, payloadOf(t, id, 2, 2))
	mustStore(t, in, other, payloadOf(t, wire.NewRunID(), 1, 1))
	wantCounts(t, pool, 3, 3)
	if n := value[int](t, pool, "SELECT count(*) FROM node_run WHERE node_no = $1", restless); n != maxRunsAround {
		t.Errorf("%d runs are kept, want %d", n, maxRunsAround)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM dead_letter WHERE kind = 'runs'"); n != 3 {
		t.Errorf("%d letters say that there are too many runs, want 3", n)
	}
	for _, hours := range []time.Duration{-9, -3} {
		later := sampleAt(1, noon.Add(hours*time.Hour))
		mustStore(t, in, restless, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{later}}))
	}
	wantCounts(t, pool, 5, 3)
}

// When its runs end is a node's own word: it makes each with a sample of days ago,
// where no other ends, and moves it on with the next. Our own clock bounds them.
func TestRunsWhoseEndTheNodeMovesAreBounded(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	in := run(t, IngestConfig{Store: NewStore(Config{Pool: pool, Now: clock.now})})
	hostile, other := newNode(t, pool, "hostile"), newNode(t, pool, "other")
	const made = maxRunsADay - 2 // of such, and two more to go
	if _, err := pool.Exec(t.Context(), `INSERT INTO node_run (node_no, run_id, last_at, started_at)
		SELECT $1, gen_random_uuid(), $2, $2 FROM generate_series(1, $3::integer)`, hostile, noon, made); err != nil {
		t.Fatal(err)
	}
	move := func(node int32) {
		t.Helper()
		id := wire.NewRunID()
		for seq, at := range []time.Time{clock.now().AddDate(0, 0, -6), clock.now()} {
			mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{sampleAt(uint64(seq+1), at)}}))
		}
	}
	for range 5 {
		move(hostile)
	}
	move(other)
	wantCounts(t, pool, 2*2+2, 3*2)
	if n := value[int](t, pool, "SELECT count(*) FROM node_run WHERE node_no = $1", hostile); n != maxRunsADay {
		t.Errorf("%d runs are kept, want %d", n, maxRunsADay)
	}
	clock.add(day)
	move(hostile) // heard again
	wantCounts(t, pool, 3*2+2, 3*2)
}

func TestDeadLettersAreReadFromAnyNumber(t *testing.T) {
	store := newStore(dbtest.New(t))
	if _, next, err := store.Letters(t.Context(), LetterFilter{Before: math.MaxInt64, Limit: 1}); err != nil || next != 0 {
		t.Errorf("%d, %v", next, err)
	}
}
