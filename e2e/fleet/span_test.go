package fleet

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	var s spans
	for _, p := range []span{{1, 3}, {4, 4}, {4, 4}, {2, 3}, {7, 9}, {9, 12}} {
		s.add(p.first, p.last)
	}
	if want := (spans{{1, 4}, {7, 12}}); !slices.Equal(s, want) || s.count() != 10 {
		t.Errorf("%v, %d numbers; want %v", s, s.count(), want)
	}
	for _, c := range []struct{ of, minus, want spans }{
		{spans{{1, 10}}, nil, spans{{1, 10}}},
		{nil, spans{{1, 10}}, nil},
		{spans{{1, 10}}, spans{{1, 10}}, nil},
		{spans{{1, 10}}, spans{{3, 4}, {6, 6}}, spans{{1, 2}, {5, 5}, {7, 10}}},
		{spans{{2, 4}, {8, 9}}, spans{{1, 8}}, spans{{9, 9}}},
		{spans{{2, 4}, {8, 9}}, spans{{4, 5}, {20, 30}}, spans{{2, 3}, {8, 9}}},
	} {
		if got := c.of.minus(c.minus); !slices.Equal(got, c.want) {
			t.Errorf("%v minus %v = %v, want %v", c.of, c.minus, got, c.want)
		}
	}
}

// Any two sets behave as maps of numbers do.
func TestSpansAgainstSets(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	draw := func() (s spans, set map[uint64]bool) {
		set = map[uint64]bool{}
		for n := range uint64(40) {
			if dice.IntN(2) == 0 {
				s.add(n, n)
				set[n] = true
			}
		}
		return s, set
	}
	for range 500 {
		a, inA := draw()
		b, inB := draw()
		var minus, and spans
		for n := range uint64(40) {
			if inA[n] && !inB[n] {
				minus.add(n, n)
			}
			if inA[n] && inB[n] {
				and.add(n, n)
			}
		}
		if got := a.minus(b); !slices.Equal(got, minus) {
			t.Fatalf("%v minus %v = %v, want %v", a, b, got, minus)
		}
		if got := a.and(b); !slices.Equal(got, and) {
			t.Fatalf("%v and %v = %v, want %v", a, b, got, and)
		}
	}
}
