package challenge

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// An answer takes no longer than is aimed at, on average, on any model.
func TestFloorOfEachModelIsWithinTheTarget(t *testing.T) {
	for model, rate := range hashRates {
		d := leastBits(model, 8)
		if solving := solvingTime(rate, 8, d); solving > solveTarget || solving <= solveTarget/2 {
			t.Errorf("%s: %d bits take %s, want at most %s and no less than half of it", model, d, solving, solveTarget)
		}
	}
	for model, want := range map[string]int{
		"Raspberry Pi 5 Model B Rev 1.0": 15, "Raspberry Pi 4 Model B Rev 1.4": 14, "Raspberry Pi 3 Model B Rev 1.2": 13,
		"Raspberry Pi Zero W Rev 1.1": 10, "Some PC": unknownModel, "": unknownModel,
	} {
		if got := leastBits(model, 8); got != want {
			t.Errorf("%s: %d bits, want %d", model, got, want)
		}
	}
}

func TestHighestBitsAreAQuarterOfWhatTheDeadlineAllows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate, count := rapid.Float64Range(1e4, 1e7).Draw(rt, "rate"), rapid.IntRange(1, 64).Draw(rt, "count")
		deadline := time.Duration(rapid.Int64Range(int64(time.Second), int64(15*time.Minute)).Draw(rt, "deadline"))
		d, quarter := highestBits(rate, count, deadline), rate*deadline.Seconds()/4
		if float64(count)*float64(uint64(1)<<d) > quarter && d > 0 {
			rt.Fatalf("%d bits search %d, a quarter is %.0f", d, count<<d, quarter)
		}
		if more := float64(count) * float64(uint64(1)<<(d+1)); more <= quarter-float64(2*count) && d < 40 {
			rt.Fatalf("%d bits, though %d are within a quarter", d, d+1)
		}
	})
	if got := HighestDifficulty("Raspberry Pi 4 Model B Rev 1.4", 8, 30*time.Second); got != 18 {
		t.Errorf("a Pi 4 in 30 s: %d bits", got)
	}
}

func TestBitsRiseOnlyWhenThereIsRoom(t *testing.T) {
	run := func(start tuning, taken time.Duration, answers int) tuning {
		for range answers {
			start = start.next(taken, 18)
		}
		return start
	}
	start := tuning{bits: 14}
	for name, c := range map[string]struct {
		taken   time.Duration
		answers int
		want    int
	}{
		"a few quick answers":   {time.Millisecond, tuneAfter - 1, 14},
		"quick answers":         {raiseBelow - time.Millisecond, tuneAfter, 15},
		"not quick enough":      {raiseBelow, 100 * tuneAfter, 14},
		"slow for ever":         {time.Minute, 100 * tuneAfter, 14},
		"quick for ever":        {time.Millisecond, 100 * tuneAfter, 18},
		"quick, and once again": {time.Millisecond, 2 * tuneAfter, 16},
	} {
		if got := run(start, c.taken, c.answers); got.bits != c.want {
			t.Errorf("%s: %d bits, want %d", name, got.bits, c.want)
		}
	}
	raised := run(start, time.Millisecond, 2*tuneAfter)
	if got := run(raised, time.Minute, 50*tuneAfter); got.bits != raised.bits {
		t.Errorf("slow since: %d bits, want the %d it came to", got.bits, raised.bits)
	}
}

// Nobody gets easier puzzles by answering slowly, and nobody easier ones than
// its model's floor.
func TestNoAnswersLowerTheBits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := rapid.SampledFrom([]string{"Raspberry Pi 5", "Raspberry Pi 3", "a PC", ""}).Draw(rt, "model")
		known, before := tuning{}, bitsFor(Calibrated, model, tuning{}, 8, time.Minute)
		if before < leastBits(model, 8) {
			rt.Fatalf("%s begins below its floor, at %d", model, before)
		}
		for _, ms := range rapid.SliceOfN(rapid.Int64Range(0, 30_000), 0, 100).Draw(rt, "taken") {
			known.bits = max(known.bits, before)
			known = known.next(time.Duration(ms)*time.Millisecond, 20)
			now := bitsFor(Calibrated, model, known, 8, time.Minute)
			if now < before || now > before+1 {
				rt.Fatalf("%d bits after %d", now, before)
			}
			before = now
		}
		if got := bitsFor(7, model, known, 8, time.Minute); got != 7 {
			rt.Fatalf("7 bits are set for all, and it got %d", got)
		}
	})
}
