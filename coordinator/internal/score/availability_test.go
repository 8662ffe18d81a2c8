package score_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// spans makes intervals of pairs of minutes.
func spans(minutes ...int) span.Set {
	var list []span.Interval
	for pair := range slices.Chunk(minutes, 2) {
		list = append(list, span.Interval{From: minute(pair[0]), To: minute(pair[1])})
	}
	return span.Of(list...)
}

// availability counts a period in one step. The evidence reaches back to before it.
func availability(e score.Evidence, period span.Interval) int64 {
	return score.NewTally(period.From).Until(e, period.To).Availability()
}

func TestAvailability(t *testing.T) {
	day := spans(0, 1000)[0]
	for _, c := range []struct {
		name                     string
		online, expected, faults span.Set
		want                     int64
	}{
		{name: "nothing expected", online: spans(0, 100), want: score.One},
		{name: "always online", online: spans(0, 1000), expected: spans(0, 1000), want: score.One},
		{name: "never online", expected: spans(0, 1000), want: 0},
		{name: "half", online: spans(0, 250, 500, 750), expected: spans(0, 1000), want: score.One / 2},
		{name: "a third, rounded down", online: spans(0, 100), expected: spans(0, 300), want: 333_333_333},
		{name: "online while not expected does not count", online: spans(0, 500), expected: spans(400, 600), want: score.One / 2},
		{name: "before the period does not count", online: spans(-500, 500), expected: spans(-500, 1000), want: score.One / 2},
		{name: "after the period does not count", online: spans(0, 500, 1000, 2000), expected: spans(0, 3000), want: score.One / 2},
		{name: "overlapping intervals count once", online: spans(100, 300, 0, 200), expected: spans(0, 300, 200, 600), want: score.One / 2},
		{name: "an empty interval counts nothing", online: spans(5, 5), expected: spans(0, 10, 10, 10), want: 0},

		{name: "credited: closed by our fault, back in time", online: spans(0, 100, 215, 400), expected: spans(0, 400),
			faults: spans(100, 200), want: score.One},
		{name: "credited: back exactly 15 minutes after", online: spans(0, 100, 215, 216), expected: spans(0, 217),
			faults: spans(100, 200), want: 995_391_705}, // 216 of 217
		{name: "credited: stayed connected", online: spans(0, 400), expected: spans(0, 400), faults: spans(100, 200), want: score.One},
		{name: "not credited: back too late; the window is neutral", online: spans(0, 100, 216, 400), expected: spans(0, 400),
			faults: spans(100, 200), want: 946_666_666}, // 284 of 300
		{name: "not credited: never back", online: spans(0, 100), expected: spans(0, 400), faults: spans(100, 200), want: 333_333_333},
		{name: "not credited: offline before", online: spans(0, 99, 200, 400), expected: spans(0, 400), faults: spans(100, 200),
			want: 996_666_666}, // 299 of 300
		{name: "not credited: not running at its start", online: spans(0, 100, 200, 400), expected: spans(150, 400),
			faults: spans(100, 200), want: score.One},
		{name: "windows that touch are one", online: spans(0, 100, 301, 400), expected: spans(0, 400), faults: spans(200, 300, 100, 200),
			want: score.One},
		{name: "all expected time was our fault", expected: spans(100, 200), faults: spans(0, 300), want: score.One},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := availability(score.Evidence{Online: c.online, Expected: c.expected, Faults: c.faults}, day); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func drawSpans(t *rapid.T, label string) span.Set {
	bounds := rapid.SliceOfN(rapid.IntRange(-30, 130), 0, 10).Draw(t, label)
	if len(bounds)%2 != 0 {
		bounds = bounds[1:]
	}
	for i := 0; i < len(bounds); i += 2 {
		slices.Sort(bounds[i : i+2])
		bounds[i+1]++ // not empty
	}
	return spans(bounds...)
}

// covers tells for the minute that begins at n whether an interval holds it.
func covers(list span.Set, n int) bool {
	return slices.ContainsFunc(list, func(i span.Interval) bool {
		return !minute(n).Before(i.From) && minute(n).Before(i.To)
	})
}

// The interval arithmetic gives what counting single minutes gives.
func TestAvailabilityAgainstCounting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		online, expected, faults := drawSpans(rt, "online"), drawSpans(rt, "expected"), drawSpans(rt, "faults")
		served := servedMinutes(online, expected, faults)
		present, total := 0, 0
		for n := range 100 { // the period
			if !covers(expected, n) || covers(faults, n) && !served[n] {
				continue
			}
			total++
			if served[n] || covers(online, n) {
				present++
			}
		}
		want := score.One
		if total > 0 {
			want = score.One * int64(present) / int64(total)
		}
		if got := availability(score.Evidence{Online: online, Expected: expected, Faults: faults}, spans(0, 100)[0]); got != want {
			rt.Fatalf("got %d, counting gives %d (%d of %d)", got, want, present, total)
		}
	})
}

// servedMinutes finds minute by minute what counts as online because of our
// outages: each from when the node was there, and the node's way back from it.
func servedMinutes(online, running, faults span.Set) map[int]bool {
	served := make(map[int]bool)
	for start := -40; start < 160; start++ {
		if !covers(faults, start) || covers(faults, start-1) {
			continue // no outage begins here
		}
		end := start
		for covers(faults, end) {
			end++
		}
		from, ran := start, covers(running, start-1)
		if !covers(online, start-1) && !served[start-1] {
			for from < end && !covers(online, from) {
				from++
			}
		}
		for n := start; n <= end; n++ {
			ran = ran || covers(running, n)
		}
		for back := end; back <= end+15 && from < end && ran; back++ {
			if covers(online, back) {
				for n := from; n < back; n++ {
					served[n] = true
				}
				break
			}
		}
	}
	return served
}

// An outage of ours never lowers a node that was online through it.
func TestOurFaultsNeverCountAgainstANode(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		online, expected, faults := drawSpans(rt, "online"), drawSpans(rt, "expected"), drawSpans(rt, "faults")
		period := spans(0, 100)[0]
		if got := availability(score.Evidence{Online: online, Expected: expected, Faults: faults}, period); got < 0 || got > score.One {
			rt.Fatalf("availability %d", got)
		}
		if got := availability(score.Evidence{Online: spans(-40, 140), Expected: expected, Faults: faults}, period); got != score.One {
			rt.Fatalf("always online, yet %d", got)
		}
	})
}
