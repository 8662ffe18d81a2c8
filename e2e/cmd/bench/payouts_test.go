package main

import "testing"

func TestParsePlanned(t *testing.T) {
	const plan, read = "BenchmarkPlanOfThousand-2   	      50	  30000000 ns/op\n", "BenchmarkReadOfThousand-2   	      50	   3000000 ns/op\n"
	p, err := parsePlanned(plan + read + "PASS\n")
	if f := p.figure(); err != nil || f.Measured != "30.0 ms (10 x the reference)" || f.Reference != "reading their nodes and balances: 3.0 ms" || !*f.Met {
		t.Errorf("%+v, %v", f, err)
	}
	if (planned{plan: 1000, read: 1}).figure().Met == nil || *(planned{plan: 1000, read: 1}).figure().Met {
		t.Error("a whole second meets the target")
	}
	if _, err := parsePlanned(plan); err == nil {
		t.Error("figures without a reference")
	}
}
