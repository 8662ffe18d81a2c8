package score

import (
	"time"

	"lucid.internal/coordinator/internal/span"
)

// AvailabilityPeriod is how far back availability looks.
const AvailabilityPeriod = 30 * 24 * time.Hour

// Availability is the part of the expected time in which the node was online:
// One when it always was, or when none was expected. Faults of ours are no
// expected time, except that a node for which one counts as served (see
// span.Served) was online in it. Rounded down.
func Availability(online, expected, faults span.Set, period span.Interval) int64 {
	served, _ := span.Served(faults, online, expected, period.To)
	expected = expected.And(span.Of(period))
	counted := expected.Without(faults).Or(expected.And(served))
	total := counted.Length()
	if total == 0 {
		return One
	}
	present := online.Or(served).And(counted).Length()
	return mulDiv(int64(present), One, int64(total))
}
