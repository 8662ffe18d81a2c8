package sample

import (
	"testing"
	"time"
)

// A transaction of rollups becomes longer and shorter until it takes about as
// long as it may.
func TestPaceFindsHowMuchATransactionMayTake(t *testing.T) {
	for _, each := range []time.Duration{time.Microsecond, 100 * time.Microsecond, time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 10 * time.Second} {
		most := firstTaken
		for range 20 {
			most = pace(most, time.Duration(most)*each)
		}
		took := time.Duration(most) * each
		if most < 1 || most > maxTaken || took > longestTaking && most > 1 || took < longestTaking/4 && most < maxTaken {
			t.Errorf("rows of %s each: %d at once, %s", each, most, took)
		}
	}
}
