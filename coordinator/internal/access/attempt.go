package access

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/limit"
)

const (
	maxWatched  = 10_000          // names or addresses remembered, about 1 MB
	forgetAfter = time.Hour       // failures older than this count no more
	busyWait    = 2 * time.Second // when every turn is taken

	// mostPlaces bounds at how many addresses a user is at home, and placeLife
	// how long without a login from there.
	mostPlaces = 20
	placeLife  = 90 * 24 * time.Hour
)

// TooSoon is in the error of a login that has to wait.
type TooSoon struct{ Wait time.Duration }

// Error names the wait in whole seconds.
func (e TooSoon) Error() string { return fmt.Sprintf("wait %s", e.Wait) }

func tooSoon(wait time.Duration, format string, args ...any) error {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return fault.Wrap(fault.RateLimited, TooSoon{wait}, format, args...)
}

// attempts counts failed logins of names or of addresses, in memory and
// bounded. Names that exist and names that do not are treated alike.
type attempts struct {
	mu   sync.Mutex
	by   map[[32]byte]tries
	free int
}

type tries struct {
	count       int
	last, until time.Time
}

func newAttempts(free int) *attempts { return &attempts{by: map[[32]byte]tries{}, free: free} }

// begin counts a try as failed until forgive or undo takes it back, so that
// tries at the same moment count as well. A positive wait refuses it.
func (a *attempts) begin(who [32]byte, now time.Time) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.by[who]
	if now.Before(t.until) {
		return t.until.Sub(now)
	}
	if now.Sub(t.last) > forgetAfter {
		t = tries{}
	}
	if !known && len(a.by) >= maxWatched {
		a.makeRoom(now)
	}
	t.count++
	t.last, t.until = now, now.Add(backoff(t.count, a.free))
	a.by[who] = t
	return 0
}

// makeRoom forgets what is old, and if nothing was, the entry with the least
// left to wait.
func (a *attempts) makeRoom(now time.Time) {
	var least [32]byte
	var until time.Time
	for who, t := range a.by {
		if now.Sub(t.last) > forgetAfter {
			delete(a.by, who)
		} else if until.IsZero() || t.until.Before(until) {
			least, until = who, t.until
		}
	}
	if len(a.by) >= maxWatched {
		delete(a.by, least)
	}
}

// forgive forgets all failures: the password was right.
func (a *attempts) forgive(who [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, who)
}

// undo takes one try back and leaves what others from there got wrong.
func (a *attempts) undo(who [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, known := a.by[who]
	if !known {
		return
	}
	if t.count--; t.count <= 0 {
		delete(a.by, who)
		return
	}
	t.until = t.last.Add(backoff(t.count, a.free))
	a.by[who] = t
}

func watchedName(name string) [32]byte { return sha256.Sum256([]byte(strings.ToLower(name))) }

// watchedAt is a name at an address where its user is at home.
func watchedAt(name string, address [32]byte) [32]byte {
	account := watchedName(name)
	return sha256.Sum256(append(account[:], address[:]...))
}

// watchedAddress is the address, or the network that one customer has.
func watchedAddress(a netip.Addr) [32]byte {
	return sha256.Sum256([]byte(limit.Network(a).String()))
}
