package score

import "time"

// Vetting is what a new node must show before its earnings are released: so
// many counted verdicts, and so much time since its first verdict. The zero Vetting
// asks for nothing.
type Vetting struct {
	Verdicts int64
	Age      time.Duration
}

// Passed reports whether a node has shown enough at the given instant.
func (v Vetting) Passed(verdicts int64, first, at time.Time) bool {
	return verdicts >= v.Verdicts && at.Sub(first) >= v.Age
}
