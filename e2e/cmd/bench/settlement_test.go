package main

import "testing"

func TestParseSettlement(t *testing.T) {
	s, err := parseSettlement(`goos: linux
BenchmarkSettlement-2   	       1	1293611925 ns/op	      4000 nodes/s	    200000 reference-rows/s	   4000000 rows	         2.50 x-of-INSERT-SELECT	        85.00 MB
PASS
`)
	if want := (settled{rate: 4000, rows: 4_000_000, rowRate: 200_000, times: 2.5, memory: 85}); s != want || err != nil {
		t.Errorf("%+v %v, want %+v", s, err, want)
	}
	s.nodes = 1_000_000
	if f := s.figure(); f.Measured != "250.0 s, 4,000 nodes/s, 85 MB (2.5 x the reference)" || f.Reference != "INSERT ... SELECT of the 4,000,000 rows that it wrote: 20.0 s" || !*f.Met {
		t.Errorf("%+v", f)
	}
	if _, err := parseSettlement("PASS\n"); err == nil {
		t.Error("figures where there are none")
	}
}

// The largest settlement is met only if its memory is bounded too.
func TestSettlementIsJudgedByTimeAndMemory(t *testing.T) {
	for _, c := range []struct {
		name                  string
		times, memory, before float64
		met                   bool
	}{
		{"a small one", 3, 900, 0, true},
		{"too slow", 3.1, 85, 0, false},
		{"twice the memory", 2, 200, 100, true},
		{"more than twice", 2, 201, 100, false},
		{"too slow with little memory", 3.1, 100, 100, false},
	} {
		s := settled{nodes: 1000, rate: 1, rows: 1, rowRate: 1, times: c.times, memory: c.memory, before: c.before}
		if got := *s.figure().Met; got != c.met {
			t.Errorf("%s: met %v, want %v", c.name, got, c.met)
		}
	}
}
