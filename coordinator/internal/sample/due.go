package sample

import (
	"time"

	"lucid.internal/coordinator/internal/span"
)

// changed is what a run has that the rollups do not know of: samples of a time
// from from to last, both included.
type changed struct {
	nodeNo     int32
	from, last time.Time
}

// dueOf gives each node's buckets that changed. A run all of whose samples are
// out of reach (last before from) has none.
func dueOf(runs []changed, bucket time.Duration) map[int32]span.Set {
	due := make(map[int32]span.Set)
	for _, r := range runs {
		if r.last.Before(r.from) {
			continue
		}
		due[r.nodeNo] = due[r.nodeNo].Or(span.Set{{From: r.from.Truncate(bucket), To: r.last.Truncate(bucket).Add(bucket)}})
	}
	return due
}

// maxSpan bounds what is computed of one node at once: a node that was offline
// for days brings days.
const maxSpan = day

// cut splits a node's due spans into what is computed now and what waits: the
// buckets that are not over at the given moment, and what is beyond maxSpan.
func cut(due span.Set, bucket time.Duration, now time.Time) (compute, wait span.Set) {
	if len(due) == 0 {
		return nil, nil
	}
	limit := span.Earliest(now.Truncate(bucket), due[0].From.Truncate(bucket).Add(maxSpan))
	compute = due.And(span.Set{{From: due[0].From, To: limit}})
	return compute, due.Without(compute)
}
