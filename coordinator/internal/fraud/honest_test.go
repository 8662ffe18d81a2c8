package fraud

import (
	"os"
	"testing"
	"time"
)

// size is how large a simulated fleet is: in full with TEST_LONG set, as
// `make test-long` does.
func size(nodes, days, longNodes, longDays int) (int, int) {
	if os.Getenv("TEST_LONG") != "" {
		return longNodes, longDays
	}
	return nodes, days
}

// An honest fleet lives through reboots, restarts, homes behind one address,
// owners of many boards, heat, load, poor radio, provider faults, clocks that
// are set and faults of ours: nobody's money is held.
func TestHonestFleetIsNeverHeld(t *testing.T) {
	nodes, days := size(200, 4, 1000, 30)
	s := newSim(1, nodes)
	for end := noon.AddDate(0, 0, days); s.now.Before(end); {
		s.step()
	}
	byRule := map[string]int{}
	for _, flags := range s.found {
		for rule := range flags {
			byRule[rule]++
		}
	}
	t.Logf("%d honest nodes, %d days, %d verdicts: %d held; nodes flagged by rule: %v", nodes, days, s.verdict, len(s.heldAt), byRule)
	for no, c := range s.heldAt {
		t.Errorf("node %d is held from %s: %v", no, c.at.Format(time.RFC3339), s.found[no])
	}
	for rule, n := range byRule {
		if r, _ := RuleByID(rule); r.Severity == Critical || r.Severity == Warning && n > max(nodes/100, 1) {
			t.Errorf("%s flags %d honest nodes", rule, n)
		}
	}
	if s.verdict < int64(nodes*days*200) {
		t.Errorf("only %d verdicts: the fleet did not live", s.verdict)
	}
}
