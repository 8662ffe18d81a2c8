package main

import (
	"testing"
	"time"
)

func TestFurtherNodesAreComparedWithoutWhatAnEmptyFleetCosts(t *testing.T) {
	const idle = 3 // percent of a core, without any node
	small, middle, large := paced{nodes: 1000, percent: idle + 10}, paced{nodes: 5000, percent: idle + 50}, paced{nodes: 10_000, percent: idle + 150}
	if got := further(small, middle); got != 100 {
		t.Errorf("%v µs a second, want 100", got)
	}
	if got := further(middle, large); got != 200 {
		t.Errorf("%v µs a second, want 200", got)
	}
}

func TestPaceIsMeasuredApartFromLongRollups(t *testing.T) {
	for clock, want := range map[string]time.Duration{
		"12:00:00": 0, // it begins at 12:01:10, half a minute later at most
		"12:02:20": 0, // and ends at 12:05:00
		"12:02:21": 109 * time.Second,
		"12:03:50": 20 * time.Second, // it would begin at 12:05:00
		"12:04:05": 5 * time.Second,
		"12:04:10": 0,
	} {
		now, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		if got := untilCalm(now); got != want {
			t.Errorf("%s: wait %s, want %s", clock, got, want)
		}
	}
}
