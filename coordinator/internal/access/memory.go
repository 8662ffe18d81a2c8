package access

import (
	"sync"
	"time"
)

// maxRemembered bounds the memory: about 2 MB when full.
const maxRemembered = 10_000

// memory holds credentials that were found good, under the SHA-256 of their
// text, so that a request costs neither a query nor a signature check. It also
// knows which keys were revoked here: their tokens carry a good signature
// until they expire.
type memory struct {
	mu      sync.RWMutex
	good    map[[32]byte]remembered
	revoked map[string]time.Time // key id -> when its last token has expired
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

// put remembers p, and is false when its key was revoked meanwhile: the check
// that found it good may have begun before the revocation.
func (m *memory) put(digest [32]byte, p Principal, now, until time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, gone := m.revoked[p.ID]; gone {
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

// revoke forgets all that came from the key and refuses its tokens for as long
// as one can live.
func (m *memory) revoke(keyID string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, until := range m.revoked {
		if !now.Before(until) {
			delete(m.revoked, id)
		}
	}
	m.revoked[keyID] = now.Add(TokenLife)
	for digest, r := range m.good {
		if r.principal.ID == keyID {
			delete(m.good, digest)
		}
	}
}
