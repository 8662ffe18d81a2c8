package main

import (
	"testing"

	"lucid.internal/coordinator/client"
)

func TestNewestInputsOfAScaling(t *testing.T) {
	working := checked(func(in client.ScalingInputs) any { return in.WorkingCount })
	if got := working(client.Scaling{Inputs: client.ScalingInputs{WorkingCount: 4}}); got != nil {
		t.Errorf("of what was found once: %v, want nothing", got)
	}
	twice := client.Scaling{Inputs: client.ScalingInputs{WorkingCount: 4}, CheckedInputs: &client.ScalingInputs{WorkingCount: 3}}
	if got := working(twice); got != int64(3) {
		t.Errorf("of what was found again: %v, want 3", got)
	}
}
