package access

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 8: 8 * time.Second, 14: 512 * time.Second, 15: mostBackoff, 30: mostBackoff, 1 << 30: mostBackoff,
	} {
		if got := backoff(failures, 5); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

func TestSigningTimes(t *testing.T) {
	t0 := time.Unix(1_000_000, 0)
	from := []time.Time{{}, t0, t0.Add(time.Hour)}
	for name, c := range map[string]struct {
		now      time.Time
		signs    int
		accepted [3]bool
	}{
		"before the second":       {t0.Add(-time.Second), 0, [3]bool{true, true, true}},
		"at the second":           {t0, 1, [3]bool{true, true, true}},
		"while old tokens live":   {t0.Add(TokenLife - 1), 1, [3]bool{true, true, true}},
		"when they have expired":  {t0.Add(TokenLife), 1, [3]bool{false, true, true}},
		"at the third":            {t0.Add(time.Hour), 2, [3]bool{false, true, true}},
		"long after the last one": {t0.Add(1000 * time.Hour), 2, [3]bool{false, false, true}},
	} {
		if got := signsAt(from, c.now); got != c.signs {
			t.Errorf("%s: key %d signs, want %d", name, got, c.signs)
		}
		for i, want := range c.accepted {
			if got := stillAccepted(from, i, c.now); got != want {
				t.Errorf("%s: key %d accepted %v, want %v", name, i, got, want)
			}
		}
	}
}
