package main

import (
	"testing"
	"time"
)

func TestTimesAreShownInUTC(t *testing.T) {
	at := time.Date(2026, 3, 4, 1, 2, 3, 456, time.FixedZone("", 2*60*60))
	if got := stampOrNone(&at); got != "2026-03-03T23:02:03Z" || stamp(at) != got {
		t.Errorf("%s, %s", got, stamp(at))
	}
	if got := stampOrNone(nil); got != "-" {
		t.Errorf("none is %q", got)
	}
}
