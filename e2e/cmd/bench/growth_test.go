package main

import (
	"testing"
	"time"
)

func TestGrowthIsMeasuredBetweenTheEndsOfBuckets(t *testing.T) {
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		now    string
		length time.Duration
		want   bool
	}{
		{"12:01:02", 13 * time.Second, true},
		{"12:01:46", 13 * time.Second, true},
		{"12:01:48", 13 * time.Second, false}, // its minute ends meanwhile
		{"12:04:02", 13 * time.Second, false}, // with its minute five minutes end
		{"12:03:02", 63 * time.Second, false},
		{"12:02:02", 63 * time.Second, true}, // its minute ends whatever is done
		{"12:04:02", 10 * time.Minute, true}, // and five minutes do
	} {
		if got := fits(at(c.now), c.length); got != c.want {
			t.Errorf("%s for %s: %v, want %v", c.now, c.length, got, c.want)
		}
	}
}
