package coordinator

import (
	"strings"
	"testing"
)

func TestADayHoldsAWholeNumberOfEpochs(t *testing.T) {
	for length, good := range map[string]bool{"1m": true, "1h": true, "24h": true, "7s": false, "25h": false, "7h": false} {
		_, _, err := Load(ProfileDev, "", nil, []Override{{Key: "epoch.length", Value: length, Flag: "--epoch"}})
		named := err != nil && strings.Contains(err.Error(), "epoch.length (flag --epoch)")
		if named == good {
			t.Errorf("epoch of %s: %v", length, err)
		}
	}
}
