package sample

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/shared/wire"
)

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		name              string
		head, first, last uint64
		want              placement
	}{
		{"first of a run", 0, 1, 1, fresh},
		{"next", 5, 6, 9, fresh},
		{"after a gap", 5, 7, 7, fresh},
		{"last again", 5, 5, 5, behind},
		{"older again", 5, 2, 4, behind},
		{"begins in what is stored", 5, 5, 6, overlap},
		{"covers what is stored", 5, 1, 9, overlap},
	} {
		if got := place(c.head, c.first, c.last); got != c.want {
			t.Errorf("%s: place(%d, %d, %d) = %d, want %d", c.name, c.head, c.first, c.last, got, c.want)
		}
	}
}

// However messages are cut, lost and repeated, replaying placement against a
// set of stored numbers never stores one twice and never loses a new one.
func TestPlaceStoresEachNumberOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var head uint64
		stored := make(map[uint64]bool)
		for range rapid.IntRange(1, 60).Draw(t, "messages") {
			first := rapid.Uint64Range(1, 40).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 5).Draw(t, "length")
			got := place(head, first, last)
			taken := 0
			for seq := first; seq <= last; seq++ {
				if seq <= head {
					taken++
				}
				if got == fresh && stored[seq] {
					t.Fatalf("%d..%d is called fresh, but %d is stored", first, last, seq)
				}
			}
			if want := int(last - first + 1); (got == behind) != (taken == want) || (got == fresh) != (taken == 0) {
				t.Fatalf("%d..%d after %d is called %d with %d numbers taken", first, last, head, got, taken)
			}
			if got == fresh {
				for seq := first; seq <= last; seq++ {
					stored[seq] = true
				}
				head = last
			}
		}
	})
}

func TestCheckTimes(t *testing.T) {
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"now", noon, ""},
		{"as old as is kept", noon.Add(-week), ""},
		{"older", noon.Add(-week - time.Millisecond), "older"},
		{"as far ahead as allowed", noon.Add(maxAhead), ""},
		{"further ahead", noon.Add(maxAhead + time.Millisecond), "future"},
	} {
		got := checkTimes([]wire.Sample{{AtMs: noon.UnixMilli()}, {AtMs: c.at.UnixMilli()}}, noon, week)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want something with %q", c.name, got, c.want)
		}
	}
}

// A node that starts each two minutes and was offline for a week is heard in full
// when it is back.
func TestBacklogOfAWeekIsWithinTheRunsOfADay(t *testing.T) {
	if starts := int(7 * day / (2 * time.Minute)); starts > maxRunsADay {
		t.Errorf("%d runs of a backlog, of which %d are taken", starts, maxRunsADay)
	}
}
