package sample

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

func TestHistory(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	in := run(t, IngestConfig{Store: store})
	node, id := newNode(t, pool, "charted"), wire.NewRunID()
	seq := uint64(0)
	take := func(at time.Time, usage float64) {
		t.Helper()
		seq++
		s := sampleAt(seq, at)
		s.CPU.UsagePercent = &usage
		s.Network.TotalBytesIn = seq * 75_000
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{s}}))
	}
	for minute := range 10 { // 11:50 until 11:59, without 11:55
		if minute != 5 {
			take(noon.Add(time.Duration(minute-10)*time.Minute), float64(10*minute))
		}
	}
	read := func(q Query) Series {
		t.Helper()
		series, err := store.History(t.Context(), node, q)
		if err != nil {
			t.Fatal(err)
		}
		return series
	}
	cpu := Query{CPU, OneMinute, noon.Add(-15 * time.Minute), noon.Add(time.Hour)}
	if until := read(cpu).CompleteUntil; !until.Equal(noon.Add(-10 * time.Minute)) {
		t.Errorf("complete until %s while nothing is rolled up", until)
	}
	rollUp(t, store)
	series := read(cpu)
	if len(series.Points) != 15 || !series.CompleteUntil.Equal(noon) || !series.To.Equal(noon) || !series.From.Equal(cpu.From) ||
		!series.KeptSince.Equal(noon.Add(-30*day)) || series.Fields[0] != (Field{CPU, "usage_percent"}) {
		t.Fatalf("%d points of %v from %s until %s, complete until %s, kept since %s",
			len(series.Points), series.Fields, series.From, series.To, series.CompleteUntil, series.KeptSince)
	}
	for i, p := range series.Points {
		minute := i - 5
		wantSamples := 1
		if minute < 0 || minute == 5 {
			wantSamples = 0
		}
		if !p.At.Equal(cpu.From.Add(time.Duration(i)*time.Minute)) || p.Samples != wantSamples || (len(p.Stats) > 0) != (wantSamples > 0) {
			t.Errorf("point %d: %s with %d samples and %d figures, want %d samples", i, p.At, p.Samples, len(p.Stats), wantSamples)
		}
		usage := number(float64(10 * minute))
		if wantSamples > 0 && p.Stats[0] != (Stats{usage, usage, usage, usage}) {
			t.Errorf("minute %d: %+v", minute, p.Stats[0])
		}
	}
	// A rate is known for the very first point if the bucket before is there.
	network := read(Query{Network, OneMinute, noon.Add(-8 * time.Minute), noon})
	if f := network.Fields[6]; f.Name != "in_mbps" || network.Points[0].Stats[6].Avg != number(0.01) || network.Points[4].Stats[6].Avg.Known {
		t.Errorf("%s %+v, after the gap %+v", f.Name, network.Points[0].Stats[6], network.Points[4].Stats[6])
	}

	over, err := store.Over(t.Context(), node, CPU, time.Hour)
	if err != nil || over.Granularity != OneMinute || over.Samples != 9 || over.Stats[0] != (Stats{number(0), number(400. / 9), number(90), number(90)}) {
		t.Errorf("the hour is %+v %v", over, err)
	}
	take(noon.Add(-5*time.Minute), 100) // late
	if until := read(cpu).CompleteUntil; !until.Equal(noon.Add(-5 * time.Minute)) {
		t.Errorf("complete until %s with a late sample", until)
	}
	rollUp(t, store)
	if p := read(cpu).Points[10]; p.Samples != 1 || p.Stats[0].Max != number(100) {
		t.Errorf("the gap is now %+v", p)
	}
}

func TestHistoryRefusesSpans(t *testing.T) {
	store := newStore(dbtest.New(t))
	for name, q := range map[string]Query{
		"empty":                {CPU, OneMinute, noon, noon},
		"before all":           {CPU, OneMinute, time.Unix(-1, 0), time.Unix(60, 0)},
		"the future":           {CPU, OneMinute, noon.Add(time.Hour), noon.Add(2 * time.Hour)},
		"backward":             {CPU, OneMinute, noon, noon.Add(-time.Hour)},
		"too many minutes":     {CPU, OneMinute, noon.Add(-2001 * time.Minute), noon},
		"too many of anything": {CPU, "", noon.Add(-2001 * time.Hour), noon},
	} {
		if _, err := store.History(t.Context(), 1, q); !fault.Has(err, fault.Validation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, q := range map[string]Query{
		"as many minutes as can be": {CPU, OneMinute, noon.Add(-2000 * time.Minute), noon},
		"the future counts nothing": {CPU, OneMinute, noon.Add(-time.Minute), noon.AddDate(1, 0, 0)},
	} {
		series, err := store.History(t.Context(), 1, q)
		if err != nil || series.To.Before(series.From) {
			t.Errorf("%s: %v, from %s until %s", name, err, series.From, series.To)
		}
	}
}
