package access

import "time"

// How often a password may be wrong before the next try has to wait, and how
// long at most. An address has more free tries: many people may share one.
const (
	freeTriesAccount = 5
	freeTriesAddress = 20
	mostBackoff      = 15 * time.Minute
)

// backoff is how long the try after so many failures in a row must wait: not
// at all at first, then a second, then twice as long each time.
func backoff(failures, free int) time.Duration {
	over := failures - free
	if over < 0 {
		return 0
	}
	if over > 20 {
		return mostBackoff
	}
	return min(time.Second<<over, mostBackoff)
}

// signsAt gives the index of the key that signs at now: the newest one whose
// time has come. Keys are ordered by From; the first one is always good for it.
func signsAt(from []time.Time, now time.Time) int {
	signing := 0
	for i, at := range from {
		if !at.After(now) {
			signing = i
		}
	}
	return signing
}

// stillAccepted reports whether tokens of key i may still live at now: until
// the last one that it can have signed has expired.
func stillAccepted(from []time.Time, i int, now time.Time) bool {
	return i == len(from)-1 || now.Before(from[i+1].Add(TokenLife))
}
