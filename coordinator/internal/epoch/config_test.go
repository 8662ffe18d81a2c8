package epoch

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

func TestNextEpoch(t *testing.T) {
	clock := func(text string) time.Time {
		parsed, err := time.Parse("15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 3, 1, parsed.Hour(), parsed.Minute(), parsed.Second(), 0, time.UTC)
	}
	for name, c := range map[string]struct {
		epoch                   time.Duration
		created, last, from, to string
		reward                  ledger.Amount
	}{
		"first":                    {time.Hour, "10:20:30", "", "10:00:00", "11:00:00", 1000},
		"first, created at a turn": {time.Hour, "10:00:00", "", "10:00:00", "11:00:00", 1000},
		"following":                {time.Hour, "10:20:30", "14:00:00", "14:00:00", "15:00:00", 1000},
		"length grew":              {time.Hour, "10:20:30", "14:17:00", "14:17:00", "15:00:00", 716}, // 43 of 60 minutes
		"length shrank":            {time.Minute, "10:20:30", "14:00:00", "14:00:00", "14:01:00", 1000},
		"odd length shrank":        {time.Minute, "10:20:30", "14:00:45", "14:00:45", "14:01:00", 250},
		"whole day":                {24 * time.Hour, "10:20:30", "", "00:00:00", "", 1000},
	} {
		var last time.Time
		if c.last != "" {
			last = clock(c.last).In(time.FixedZone("elsewhere", 3*3600))
		}
		got, reward := Config{Epoch: c.epoch}.next(clock(c.created), last, 1000)
		to := clock("00:00:00").AddDate(0, 0, 1)
		if c.to != "" {
			to = clock(c.to)
		}
		if got != (span.Interval{From: clock(c.from), To: to}) || reward != c.reward {
			t.Errorf("%s: %v, reward %s", name, got, reward)
		}
	}
}
