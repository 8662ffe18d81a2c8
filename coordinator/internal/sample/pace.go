package sample

import "time"

// While a transaction runs, Postgres clears away no version of a row that was
// replaced since it began. Ingest replaces a row of each run that it writes to,
// and walks past all of its versions to the newest: behind rollups of some
// seconds, of nodes that had brought many samples along, it touched 30 pages a
// sample instead of 6. So a transaction takes as many rows of sample_due as it
// has time for: one may be a minute of six samples or a day of thousands.
const (
	firstTaken    = 16 // rows
	maxTaken      = 512
	longestTaking = 250 * time.Millisecond
)

// pace is how many rows the next transaction takes, after one that took so
// many at most in that time.
func pace(most int, took time.Duration) int {
	switch {
	case took > longestTaking:
		return max(most/2, 1)
	case took < longestTaking/4:
		return min(2*most, maxTaken)
	}
	return most
}
