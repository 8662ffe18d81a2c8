package fraud

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestFastAnswers(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	noise := func(ms float64) float64 { return ms * dice.NormFloat64() }
	for name, c := range map[string]struct {
		took func(needs float64) float64 // milliseconds, of those that its model needs
		rate float64
		want bool
	}{
		"as fast as we assume":                  {func(n float64) float64 { return 30 + n + noise(5) }, 4 * 330_000, false},
		"with the best code and a raised clock": {func(n float64) float64 { return 30 + n/3.5 + noise(5) }, 4 * 330_000, false},
		"busy with other work":                  {func(n float64) float64 { return 30 + n*(1+2*dice.Float64()) }, 4 * 330_000, false},
		"far away, by a poor radio":             {func(n float64) float64 { return 900 + n + noise(150) }, 4 * 330_000, false},
		"of a model that nobody knows":          {func(n float64) float64 { return 30 + n/20 }, 0, false},
		"another machine solves":                {func(n float64) float64 { return 30 + n/20 + noise(5) }, 4 * 330_000, true},
		"another machine solves, far away":      {func(n float64) float64 { return 400 + n/20 + noise(10) }, 4 * 330_000, true},
		"answers held back for a fixed time":    {func(float64) float64 { return 1600 + noise(5) }, 4 * 330_000, true},
	} {
		var memory Memory
		var flags []Found
		for i := range 200 {
			a := proven(i, "A", "1", time.Duration(i)*time.Minute)
			a.Hashes = uint64(65_000 * (1 + 0.2*dice.NormFloat64()))
			a.Took, a.Rate = time.Duration(c.took(float64(a.Hashes)/330)*float64(time.Millisecond)), c.rate
			flags = append(flags, memory.see(a)...)
		}
		if got := slices.Contains(rulesOf(flags), fastAnswers); got != c.want {
			t.Errorf("%s: %v", name, rulesOf(flags))
		}
	}
}

func one[T any](x T) *T { return &x }

// series is an honest hour and a half: counters rise, memory and load wander.
func series(nodeNo int32, change func(i int, f *Figures)) []Figures {
	all := make([]Figures, 18)
	for i := range all {
		all[i] = Figures{
			NodeNo: nodeNo, At: noon.Add(time.Duration(i) * figuresEvery), RunNo: 1, Seq: int64(i + 1), In: one(int64(nodeNo)*1e9 + int64(i)*5e6),
			Out: one(int64(nodeNo)*1e8 + int64(i)*4e5), MemoryUsed: one(int64(4e8 + i*8192)), MemoryNewest: one(int64(4e8 + i*4096)),
			CPU: one(float32(7 + i%3)),
		}
		if change != nil {
			change(i, &all[i])
		}
	}
	return all
}

func TestPlausible(t *testing.T) {
	for name, c := range map[string]struct {
		change func(i int, f *Figures)
		want   []string
	}{
		"honest": {nil, nil},
		"a reboot": {func(i int, f *Figures) {
			if i >= 9 {
				f.RunNo, f.In, f.Out = 2, one(int64(i)*1e5), one(int64(i)*1e4)
			}
		}, nil},
		"what the machine cannot say": {func(_ int, f *Figures) { f.In, f.Out, f.CPU, f.MemoryUsed = nil, nil, nil, nil }, nil},
		"off the network, but alive":  {func(_ int, f *Figures) { f.In, f.Out = one(int64(5e9)), one(int64(3e8)) }, nil},
		"a clock set back an hour, at 200 Mbit/s": {func(i int, f *Figures) {
			if f.In = one(int64(i) * 7_500_000_000); i >= 9 {
				f.At = f.At.Add(-time.Hour)
			}
		}, nil},
		"an interface that came anew": {func(i int, f *Figures) {
			if i >= 9 {
				f.In, f.Out = one(int64(i)*1e5), one(int64(i)*1e4)
			}
		}, nil},
		"counters that fall again and again": {func(i int, f *Figures) {
			if i == 9 || i == 11 || i == 13 {
				f.Out = one(int64(5))
			}
		}, []string{fallingCounter}},
		"more than its links carry": {func(i int, f *Figures) {
			if i >= 9 {
				f.In = one(int64(200e9 + i))
			}
		}, []string{impossibleTraffic}},
		"the same figures for an hour": {func(i int, f *Figures) {
			if i > 3 {
				f.In, f.Out, f.MemoryUsed, f.CPU = one(int64(5e9)), one(int64(3e8)), one(int64(4e8)), one(float32(7))
			}
		}, []string{frozenMetrics}},
	} {
		figures := series(1, c.change)
		slices.SortFunc(figures, func(a, b Figures) int { return a.At.Compare(b.At) })
		if got := rulesOf(plausible(figures)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestCopies(t *testing.T) {
	honest := append(series(1, nil), series(2, nil)...)
	if flags := copies(honest); len(flags) > 0 {
		t.Errorf("honest: %v", rulesOf(flags))
	}
	fresh := append(series(1, func(_ int, f *Figures) { f.In = one(int64(0)) }), series(2, func(_ int, f *Figures) { f.In = one(int64(0)) })...)
	if flags := copies(fresh); len(flags) > 0 {
		t.Errorf("counters that have not begun: %v", rulesOf(flags))
	}
	copied := append(series(2, func(i int, f *Figures) { *f = series(1, nil)[i]; f.NodeNo = 2 }), series(1, nil)...)
	if flags := copies(copied); len(flags) != 1 || flags[0].NodeNo != 2 || flags[0].Rule.ID != copiedMetrics {
		t.Errorf("a copy: %+v", flags)
	}
}
