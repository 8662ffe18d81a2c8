package challenge

import (
	"testing"
	"time"
)

func TestCohortSizeAndGap(t *testing.T) {
	for _, c := range []struct {
		nodes, size int
		gap         time.Duration
	}{
		{1, 1, 50 * time.Minute},
		{12, 12, 50 * time.Minute},
		{30, 20, 50 * time.Minute * 2 / 3},
		{100, 50, 25 * time.Minute},
		{100_000, 1000, 30 * time.Second},
	} {
		if size, gap := cohortSize(c.nodes), cohortGap(5*time.Minute, c.nodes); size != c.size || (gap-c.gap).Abs() > time.Microsecond {
			t.Errorf("%d nodes: %d each %s, want %d each %s", c.nodes, size, gap, c.size, c.gap)
		}
	}
}

// One challenge in ten is of a cohort, and all together come as often as set.
func TestCohortsComeWithinTheMeanGap(t *testing.T) {
	const interval = 5 * time.Minute
	for _, nodes := range []int{3, 50, 5000} {
		alone := 1 / routineGap(interval).Seconds()
		inCohort := float64(cohortSize(nodes)) / float64(nodes) / cohortGap(interval, nodes).Seconds()
		if all := alone + inCohort; all < 0.9999/interval.Seconds() || all > 1.0001/interval.Seconds() || inCohort/all < 0.0999 || inCohort/all > 0.1001 {
			t.Errorf("%d nodes: one each %.1f s, %.1f %% of them in cohorts", nodes, 1/all, 100*inCohort/all)
		}
	}
}

func TestCohortDeadline(t *testing.T) {
	for _, c := range []struct{ solving, longest, want time.Duration }{
		{200 * time.Millisecond, 30 * time.Second, 2 * time.Second},
		{time.Second, 30 * time.Second, 3 * time.Second},
		{time.Minute, 30 * time.Second, 30 * time.Second},
		{200 * time.Millisecond, time.Second, time.Second},
	} {
		if got := cohortDeadline(c.solving, c.longest); got != c.want {
			t.Errorf("solved in %s, at most %s: %s, want %s", c.solving, c.longest, got, c.want)
		}
	}
}

func TestModelsByTheirLongestName(t *testing.T) {
	for model, want := range map[string]float64{
		"Raspberry Pi 5 Model B Rev 1.0":      800_000,
		"Raspberry Pi 400 Rev 1.0":            330_000,
		"Raspberry Pi Zero 2 W Rev 1.0":       120_000,
		"Raspberry Pi Zero W Rev 1.1":         30_000,
		"Raspberry Pi Compute Module 4 Rev 1": 330_000,
		"Raspberry Pi Model B Plus Rev 1.2":   30_000,
	} {
		if rate, known := rateOf(model); !known || rate != want {
			t.Errorf("%s: %.0f (%v), want %.0f", model, rate, known, want)
		}
	}
	if rate, known := rateOf("Standard PC (Q35)"); known || rate != slowestRate {
		t.Errorf("another machine: %.0f (%v), want the slowest", rate, known)
	}
}

func TestSolvingTimeIsHalfTheSearch(t *testing.T) {
	if got := solvingTime(330_000, 8, 14).Round(time.Millisecond); got != 199*time.Millisecond {
		t.Errorf("8 puzzles of 14 bits on a Pi 4: %s", got)
	}
}
