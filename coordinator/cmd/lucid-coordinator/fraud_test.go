package main

import "testing"

func TestFraudReplay(t *testing.T) {
	s := newShell(t)
	s.run("", "fraud", "replay", "--rule", "superseded_run", "--days", "3")
	s.run("", "fraud", "replay", "--rule", "fast_answers", "--json")
	for _, args := range [][]string{{"fraud", "replay", "--rule", "no_such_rule"}, {"fraud", "replay", "--rule", "in_step", "--days", "0"}} {
		if run(args) == 0 {
			t.Errorf("%v is taken", args)
		}
	}
}
