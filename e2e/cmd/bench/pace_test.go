package main

import "testing"

func TestFurtherNodesAreComparedWithoutWhatAnEmptyFleetCosts(t *testing.T) {
	const idle = 3 // percent of a core, without any node
	small, middle, large := paced{nodes: 1000, percent: idle + 10}, paced{nodes: 5000, percent: idle + 50}, paced{nodes: 10_000, percent: idle + 150}
	if got := further(small, middle); got != 100 {
		t.Errorf("%v µs a second, want 100", got)
	}
	if got := further(middle, large); got != 200 {
		t.Errorf("%v µs a second, want 200", got)
	}
}
