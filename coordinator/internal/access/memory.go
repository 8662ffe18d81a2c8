package access

import (
	"slices"
	"sync"
	"time"
)

// maxRemembered bounds the memory: about 2 MB when full.
const maxRemembered = 10_000

// memory holds credentials that were found good, under the SHA-256 of their
// text, so that a request costs neither a query nor a signature check. It also
// knows which keys and sessions ended here: their tokens carry a good signature
// until they expire.
type memory struct {
	mu      sync.RWMutex
	good    map[[32]byte]remembered
	revoked map[string]time.Time // id of key or session -> when its last token has expired
}

type remembered struct {
	principal Principal
	until     time.Time
}

func newMemory() *memory {
	return &memory{good: map[[32]byte]remembered{}, revoked: map[string]time.Time{}}
}

func (m *memory) get(digest [32]byte, now time.Time) (Principal, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.good[digest]
	return r.principal, ok && now.Before(r.until)
}

// put remembers p, and is false when its key or session ended meanwhile: the
// check that found it good may have begun before.
func (m *memory) put(digest [32]byte, p Principal, now, until time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, gone := m.revoked[p.ID]; gone {
		return false
	}
	if _, gone := m.revoked[p.Session]; gone {
		return false
	}
	if len(m.good) >= maxRemembered {
		m.makeRoom(now)
	}
	m.good[digest] = remembered{p, until}
	return true
}

// makeRoom forgets what has ended, and one more at random if nothing had: its
// owner pays one look-up.
func (m *memory) makeRoom(now time.Time) {
	for digest, r := range m.good {
		if !now.Before(r.until) {
			delete(m.good, digest)
		}
	}
	for digest := range m.good {
		if len(m.good) < maxRemembered {
			return
		}
		delete(m.good, digest)
	}
}

// revoke forgets all that came from the keys and sessions of these ids, and
// refuses their tokens for as long as one can live.
func (m *memory) revoke(now time.Time, ids ...string) {
	if len(ids) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, until := range m.revoked {
		if !now.Before(until) {
			delete(m.revoked, id)
		}
	}
	for _, id := range ids {
		m.revoked[id] = now.Add(TokenLife)
	}
	for digest, r := range m.good {
		if slices.Contains(ids, r.principal.ID) || r.principal.Session != "" && slices.Contains(ids, r.principal.Session) {
			delete(m.good, digest)
		}
	}
}
