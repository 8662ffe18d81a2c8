package sample

import (
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/span"
)

func at(hour, minute int) time.Time { return time.Date(2026, 3, 14, hour, minute, 0, 0, time.UTC) }

func TestDueOf(t *testing.T) {
	half := 30 * time.Second
	got := dueOf([]changed{
		{1, at(10, 2).Add(half), at(10, 7)},
		{1, at(10, 11), at(10, 11)}, // another run of the same node: what touches is joined
		{1, at(12, 0), at(12, 4)},
		{2, at(10, 4).Add(half), at(10, 4).Add(half)},
		{3, at(10, 4), at(10, 3)}, // all of it is out of reach
	}, 5*time.Minute)
	want := map[int32]span.Set{
		1: {{From: at(10, 0), To: at(10, 15)}, {From: at(12, 0), To: at(12, 5)}},
		2: {{From: at(10, 0), To: at(10, 5)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("due %v, want %v", got, want)
	}
}

func TestCut(t *testing.T) {
	set := func(times ...time.Time) (s span.Set) {
		for i := 0; i < len(times); i += 2 {
			s = append(s, span.Interval{From: times[i], To: times[i+1]})
		}
		return s
	}
	tomorrow := at(34, 0)
	for _, c := range []struct {
		name               string
		due, compute, wait span.Set
		now                time.Time
	}{
		{"nothing", nil, nil, nil, at(12, 0)},
		{"over", set(at(10, 0), at(11, 0)), set(at(10, 0), at(11, 0)), nil, at(12, 0)},
		{"over this instant", set(at(10, 0), at(12, 0)), set(at(10, 0), at(12, 0)), nil, at(12, 0)},
		{"the last is open", set(at(10, 0), at(12, 0)), set(at(10, 0), at(11, 45)), set(at(11, 45), at(12, 0)), at(11, 59)},
		{"all open", set(at(11, 45), at(12, 0)), nil, set(at(11, 45), at(12, 0)), at(11, 59)},
		{"several", set(at(1, 0), at(2, 0), at(3, 0), at(12, 0)), set(at(1, 0), at(2, 0), at(3, 0), at(11, 45)), set(at(11, 45), at(12, 0)), at(11, 46)},
		{"more than a day", set(at(10, 0), tomorrow.Add(time.Hour)), set(at(10, 0), tomorrow), set(tomorrow, tomorrow.Add(time.Hour)), tomorrow.Add(day)},
	} {
		compute, wait := cut(c.due, 15*time.Minute, c.now)
		if !reflect.DeepEqual(compute, c.compute) || !reflect.DeepEqual(wait, c.wait) {
			t.Errorf("%s: compute %v, wait %v; want %v, %v", c.name, compute, wait, c.compute, c.wait)
		}
	}
}
