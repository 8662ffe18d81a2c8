package epoch

import (
	"lucid.internal/coordinator/internal/span"

	"slices"
	"testing"
	"time"
)

var tenOClock = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// minutes is an interval in minutes after ten o'clock.
func minutes(from, to int) span.Interval {
	return span.Interval{From: tenOClock.Add(time.Duration(from) * time.Minute), To: tenOClock.Add(time.Duration(to) * time.Minute)}
}

func TestCreditOf(t *testing.T) {
	always, never := []span.Interval{minutes(-600, 600)}, []span.Interval(nil)
	active := []State{{minutes(-600, 600), "active"}}
	is := func(i ...span.Interval) []span.Interval { return i }
	for name, c := range map[string]struct {
		evidence         Evidence
		windows          []span.Interval
		now              int // minutes after ten; 0 means long after
		member, credited int // minutes
		reasons          []string
		undecided        bool
	}{
		"whole epoch":               {Evidence{always, always, active}, nil, 0, 60, 60, nil, false},
		"never connected":           {Evidence{always, never, active}, nil, 0, 60, 0, []string{ReasonOffline}, false},
		"never a member":            {Evidence{never, always, active}, nil, 0, 0, 0, []string{ReasonPartial}, false},
		"joined half way":           {Evidence{is(minutes(30, 600)), always, active}, nil, 0, 30, 30, []string{ReasonPartial}, false},
		"left and came back":        {Evidence{is(minutes(-9, 10), minutes(50, 99)), always, active}, nil, 0, 20, 20, []string{ReasonPartial}, false},
		"joined after the end":      {Evidence{is(minutes(60, 600)), always, active}, nil, 0, 0, 0, []string{ReasonPartial}, false},
		"two sessions":              {Evidence{always, is(minutes(-5, 10), minutes(20, 70)), active}, nil, 0, 60, 50, []string{ReasonOffline}, false},
		"overlapping sessions":      {Evidence{always, is(minutes(0, 40), minutes(20, 60)), active}, nil, 0, 60, 60, nil, false},
		"suspended for a while":     {Evidence{always, always, []State{{minutes(-9, 10), "active"}, {minutes(10, 25), "suspended"}, {minutes(25, 99), "active"}}}, nil, 0, 60, 45, []string{ReasonSuspended}, false},
		"starting at first":         {Evidence{always, always, []State{{minutes(-9, 10), "starting"}, {minutes(10, 99), "active"}}}, nil, 0, 60, 50, []string{ReasonInactive}, false},
		"no state known":            {Evidence{always, always, nil}, nil, 0, 60, 0, []string{ReasonInactive}, false},
		"fault, stayed connected":   {Evidence{always, always, active}, is(minutes(10, 20)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"fault cut it off":          {Evidence{always, is(minutes(-9, 10), minutes(24, 99)), active}, is(minutes(10, 20)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"back at the last moment":   {Evidence{always, is(minutes(-9, 10), minutes(35, 99)), active}, is(minutes(10, 20)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"back too late":             {Evidence{always, is(minutes(-9, 10), minutes(36, 99)), active}, is(minutes(10, 20)), 0, 60, 34, []string{ReasonOffline}, false},
		"was not connected before":  {Evidence{always, is(minutes(-9, 9), minutes(20, 99)), active}, is(minutes(10, 20)), 0, 60, 49, []string{ReasonOffline}, false},
		"was not active before":     {Evidence{always, always, []State{{minutes(-9, 9), "active"}, {minutes(9, 20), "stopping"}, {minutes(20, 99), "active"}}}, is(minutes(10, 20)), 0, 60, 49, []string{ReasonInactive}, false},
		"active within the fault":   {Evidence{always, always, []State{{minutes(-9, 5), "active"}, {minutes(5, 12), "stopping"}, {minutes(12, 99), "active"}}}, is(minutes(10, 20)), 0, 60, 53, []string{ReasonInactive, ReasonFaultSpent}, false},
		"came within the fault":     {Evidence{always, is(minutes(15, 99)), active}, is(minutes(10, 20)), 0, 60, 45, []string{ReasonOffline, ReasonFaultSpent}, false},
		"fault over the start":      {Evidence{always, is(minutes(-30, -10), minutes(12, 99)), active}, is(minutes(-10, 10)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"fault over the end":        {Evidence{always, is(minutes(-9, 50), minutes(80, 99)), active}, is(minutes(50, 70)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"overlapping faults":        {Evidence{always, is(minutes(-9, 10), minutes(40, 99)), active}, is(minutes(15, 30), minutes(10, 20)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"may still come back":       {Evidence{always, is(minutes(-9, 50)), active}, is(minutes(50, 59)), 62, 60, 50, []string{ReasonOffline}, true},
		"came back, is decided":     {Evidence{always, is(minutes(-9, 50), minutes(61, 99)), active}, is(minutes(50, 59)), 62, 60, 60, []string{ReasonFaultSpent}, false},
		"fault just before":         {Evidence{always, is(minutes(-30, -12), minutes(2, 99)), active}, is(minutes(-12, -2)), 0, 60, 60, []string{ReasonFaultSpent}, false},
		"fault before, still away":  {Evidence{always, is(minutes(-30, -3)), active}, is(minutes(-3, -2)), 5, 60, 0, []string{ReasonOffline}, true},
		"its time is over":          {Evidence{always, is(minutes(-9, 50)), active}, is(minutes(50, 59)), 75, 60, 50, []string{ReasonOffline}, false},
		"gone before, none waits":   {Evidence{always, is(minutes(-9, 40)), active}, is(minutes(50, 59)), 62, 60, 40, []string{ReasonOffline}, false},
		"left before, none waits":   {Evidence{is(minutes(-9, 40)), is(minutes(-9, 50)), active}, is(minutes(50, 59)), 62, 40, 40, []string{ReasonPartial}, false},
		"fault and member in parts": {Evidence{is(minutes(15, 99)), always, active}, is(minutes(10, 20)), 0, 45, 45, []string{ReasonPartial, ReasonFaultSpent}, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := tenOClock.Add(24 * time.Hour)
			if c.now != 0 {
				now = tenOClock.Add(time.Duration(c.now) * time.Minute)
			}
			got := CreditOf(minutes(0, 60), c.evidence, c.windows, now)
			if got.MemberMs != int64(c.member)*60_000 || got.CreditedMs != int64(c.credited)*60_000 {
				t.Errorf("member %d ms, credited %d ms; want %d and %d minutes", got.MemberMs, got.CreditedMs, c.member, c.credited)
			}
			if !slices.Equal(got.Reasons, c.reasons) || got.Undecided != c.undecided {
				t.Errorf("reasons %v, undecided %t; want %v, %t", got.Reasons, got.Undecided, c.reasons, c.undecided)
			}
		})
	}
}
