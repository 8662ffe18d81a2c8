// Package limit owns how many requests a minute a caller may make.
//
// It must never know who callers are, what they ask for or how much anybody is
// granted: it is given a key and a number, and says yes or how long to wait. It
// keeps everything in memory and forgets it with the process.
package limit

import (
	"sync"
	"time"
)

// DefaultKeys is how many callers a Limiter remembers at least; full, it takes
// some 20 MB for addresses.
const DefaultKeys = 100_000

// Result is what a caller may do after asking.
type Result struct {
	Allowed   bool
	Limit     int           // requests a minute
	Remaining int           // that may follow at once
	Wait      time.Duration // until the next one is allowed; 0 while some remain
	Full      time.Duration // until all of Limit may be made at once again
}

// Limiter counts by the generic cell rate algorithm: all it keeps of a caller is
// one instant, at which its whole allowance is free again. A request moves that
// instant forward by its share of a minute, and is refused when it would come
// to lie more than a minute ahead. So nobody gets twice the limit around the
// edge of a window.
type Limiter[K comparable] struct {
	mu   sync.Mutex
	keys int
	// An instant lies at most a minute ahead, so a key that was not seen for a
	// minute is as good as unknown. Two maps that change places each minute
	// forget it without a search: older holds what was not seen since.
	newer, older map[K]int64
	turned       int64
}

// New makes a Limiter that remembers at least so many keys, and at most twice as
// many. Beyond that it forgets who came first, and lets them begin anew.
func New[K comparable](keys int) *Limiter[K] {
	return &Limiter[K]{keys: max(keys, 1), newer: map[K]int64{}, older: map[K]int64{}}
}

// Take counts one request of key, of which perMinute are allowed. A refused one
// costs nothing. perMinute must be above 0.
func (l *Limiter[K]) Take(key K, perMinute int, now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, free := measure(l.instant(key, now.UnixNano()), perMinute, now.UnixNano())
	if !r.Allowed {
		return r
	}
	free += share(perMinute)
	l.newer[key] = free
	r, _ = measure(free, perMinute, now.UnixNano())
	r.Allowed = true
	return r
}

// Look tells what Take would find, and counts nothing.
func (l *Limiter[K]) Look(key K, perMinute int, now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, _ := measure(l.instant(key, now.UnixNano()), perMinute, now.UnixNano())
	return r
}

// share of a minute that one request takes, in nanoseconds.
func share(perMinute int) int64 { return int64(time.Minute) / int64(perMinute) }

// measure says what a caller may do at now whose allowance is free again at
// free, and gives that instant, not before now.
func measure(free int64, perMinute int, now int64) (Result, int64) {
	free = max(free, now)
	one := share(perMinute)
	most := one * int64(perMinute) // a minute, as far as it can be divided
	ahead := min(free-now, int64(time.Minute))
	r := Result{Limit: perMinute, Full: time.Duration(ahead), Remaining: int(max(most-ahead, 0) / one)}
	r.Allowed = r.Remaining > 0
	if !r.Allowed {
		r.Wait = time.Duration(ahead + one - most)
	}
	return r, now + ahead
}

// instant is where key stands; 0 when it is not known.
func (l *Limiter[K]) instant(key K, now int64) int64 {
	if len(l.newer) >= l.keys || now-l.turned >= int64(time.Minute) {
		l.newer, l.older = l.older, l.newer
		clear(l.newer)
		l.turned = now
	}
	if free, known := l.newer[key]; known {
		return free
	}
	return l.older[key]
}
