package node

import (
	"slices"
	"testing"
)

var all = []Status{Pending, Starting, Active, Stopping, Inactive, Maintenance, Suspended, Error}

func TestWhoMayBeStartedAndStopped(t *testing.T) {
	started := []Status{Inactive, Maintenance, Error}
	stopped := []Status{Starting, Active, Error}
	for _, s := range all {
		if got, want := mayStart(s, ""), slices.Contains(started, s); got != want {
			t.Errorf("start from %s: %v", s, got)
		}
		if got, want := mayStop(s), slices.Contains(stopped, s); got != want {
			t.Errorf("stop from %s: %v", s, got)
		}
	}
	for reason, want := range map[string]bool{"operator: broken fan": true, "score: silent": false, "disqualified: invalid": false, "": false} {
		if got := mayStart(Suspended, reason); got != want {
			t.Errorf("start from suspended by %q: %v", reason, got)
		}
	}
}

func TestWhatAnOperatorMaySet(t *testing.T) {
	for _, from := range all {
		for _, to := range all {
			want := from != Pending && from != Suspended && (to == Maintenance || to == Inactive || to == Suspended)
			if got := maySet(from, "", to); got != want {
				t.Errorf("%s to %s: %v, want %v", from, to, got, want)
			}
		}
	}
	for _, c := range []struct {
		reason string
		to     Status
		want   bool
	}{
		{"operator: fan", Maintenance, true},
		{"operator: fan", Inactive, true},
		{"operator: fan", Suspended, true},
		{"operator: fan", Active, false},
		{"score: silent", Suspended, true},
		{"score: silent", Inactive, false},
		{"score: silent", Maintenance, false},
		{"disqualified: invalid", Suspended, false},
		{"disqualified: invalid", Inactive, false},
	} {
		if got := maySet(Suspended, c.reason, c.to); got != c.want {
			t.Errorf("suspended by %q to %s: %v", c.reason, c.to, got)
		}
	}
}

func TestWhatEndsInWhat(t *testing.T) {
	if afterLift(true) != Inactive || afterLift(false) != Starting {
		t.Error("a lifted node must prove itself, unless its agent was stopped")
	}
	for _, s := range all {
		if next := afterReenrolment(s); next == Active || s != Active && next != s {
			t.Errorf("%s and enrolled again is %s", s, next)
		}
		for _, kind := range []string{"start", "stop", "refresh_info"} {
			next, ok := afterResult(kind, s, true)
			switch {
			case kind == "start" && s == Starting:
				if next != Active || !ok {
					t.Errorf("start of %s gives %s", s, next)
				}
				if next, ok := afterResult(kind, s, false); next != Starting || !ok {
					t.Errorf("start of a node that is not proven gives %s, %v", next, ok)
				}
			case kind == "stop" && s == Stopping:
				if next != Inactive || !ok {
					t.Errorf("stop of %s gives %s", s, next)
				}
			case ok || next != s:
				t.Errorf("%s changes %s to %s", kind, s, next)
			}
		}
	}
}
