package span_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/span"
)

var zero = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

func minute(m int) time.Time { return zero.Add(time.Duration(m) * time.Minute) }

// of makes a set of minutes: from, to, from, to, ...
func of(minutes ...int) span.Set {
	var all []span.Interval
	for pair := range slices.Chunk(minutes, 2) {
		all = append(all, span.Interval{From: minute(pair[0]), To: minute(pair[1])})
	}
	return span.Of(all...)
}

// TestSetsAgreeWithTheirMinutes compares the sets with plain sets of minutes.
func TestSetsAgreeWithTheirMinutes(t *testing.T) {
	const most = 30
	draw := rapid.SliceOfN(rapid.IntRange(0, most), 0, 12)
	holds := func(s span.Set, m int) bool {
		return slices.ContainsFunc(s, func(i span.Interval) bool { return !i.From.After(minute(m)) && i.To.After(minute(m)) })
	}
	rapid.Check(t, func(t *rapid.T) {
		pairs := func(name string) span.Set {
			raw := draw.Draw(t, name)
			return of(raw[:len(raw)/2*2]...)
		}
		a, b := pairs("a"), pairs("b")
		or, and, without := a.Or(b), a.And(b), a.Without(b)
		count := 0
		for m := range most {
			inA, inB := holds(a, m), holds(b, m)
			if holds(or, m) != (inA || inB) || holds(and, m) != (inA && inB) || holds(without, m) != (inA && !inB) {
				t.Fatalf("minute %d: a %v b %v, or %v and %v without %v", m, a, b, or, and, without)
			}
			if inA {
				count++
			}
		}
		if a.Length() != time.Duration(count)*time.Minute {
			t.Fatalf("length of %v is %s", a, a.Length())
		}
		for _, s := range []span.Set{or, and, without} {
			if !slices.Equal(s, span.Of(s...)) {
				t.Fatalf("%v is not in order and apart", s)
			}
		}
	})
}

func TestFaultCountsForANodeThatComesBack(t *testing.T) {
	always := of(0, 1000)
	fault := of(100, 110)
	for name, c := range map[string]struct {
		online, running, faults span.Set
		now                     int
		served, undecided       span.Set
	}{
		"connected throughout":                {always, always, fault, 111, fault, nil},
		"cut off and back at once":            {of(0, 100, 110, 200), always, fault, 112, fault, nil},
		"back after a while":                  {of(0, 100, 114, 200), always, fault, 115, of(100, 114), nil},
		"back in the last minute":             {of(0, 100, 125, 200), always, fault, 130, of(100, 125), nil},
		"back a minute too late":              {of(0, 100, 126, 200), always, fault, 130, nil, nil},
		"not back yet, still time":            {of(0, 100), always, fault, 125, nil, of(100, 125)},
		"never back":                          {of(0, 100), always, fault, 126, nil, nil},
		"came back while the fault lasted":    {of(0, 100, 105, 120), always, fault, 130, fault, nil},
		"came and went while it lasted":       {of(0, 100, 104, 106), always, fault, 130, nil, nil},
		"left a minute before the fault":      {of(0, 99, 111, 200), always, fault, 130, nil, nil},
		"came during the fault only":          {of(105, 200), always, fault, 130, of(105, 110), nil},
		"came, was cut off and came back":     {of(101, 102, 114, 200), always, fault, 130, of(101, 114), nil},
		"came, was cut off, is not back yet":  {of(101, 102), always, fault, 120, nil, of(101, 125)},
		"came as it ended":                    {of(110, 200), always, fault, 130, nil, nil},
		"began to run while it lasted":        {of(0, 100, 114, 200), of(104, 1000), fault, 130, of(100, 114), nil},
		"did not run while it lasted":         {always, of(0, 99, 111, 1000), fault, 130, nil, nil},
		"stopped running while it lasted":     {always, of(0, 105), fault, 130, fault, nil},
		"a second fault before it was back":   {of(0, 100, 121, 200), always, of(100, 110, 112, 118), 130, of(100, 121), nil},
		"two faults, back between them":       {of(0, 100, 111, 120, 131, 200), always, of(100, 110, 120, 130), 140, of(100, 111, 120, 131), nil},
		"a second fault that it did not meet": {of(0, 100, 111, 115, 140, 200), always, of(100, 110, 120, 130), 150, of(100, 111), nil},
	} {
		served, undecided := span.Served(c.faults, c.online, c.running, minute(c.now))
		if !slices.Equal(served, c.served) || !slices.Equal(undecided, c.undecided) {
			t.Errorf("%s: served %v, undecided %v", name, served, undecided)
		}
	}
}

func TestOpen(t *testing.T) {
	end := minute(5)
	for name, c := range map[string]struct {
		got  span.Interval
		want int // minutes from minute 1
	}{
		"closed":            {span.Open(minute(1), &end, minute(99)), 4},
		"open":              {span.Open(minute(1), nil, minute(3)), 2},
		"begins afterwards": {span.Open(minute(1), nil, minute(0)), 0},
	} {
		if got := c.got.To.Sub(c.got.From); got != time.Duration(c.want)*time.Minute {
			t.Errorf("%s: %s", name, got)
		}
	}
}
