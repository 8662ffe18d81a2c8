package access

import (
	"container/list"
	"sync"
	"time"
)

// maxRemembered bounds the memory.
const maxRemembered = 10_000

// memory holds credentials that were found good, under the SHA-256 of their
// text, so that a request costs neither a query nor a signature check. It also
// knows which keys and sessions ended here: their tokens carry a good signature
// until they expire.
//
// Everything it does takes as long when it is full as when it is empty, but for
// revoke, which touches what came from the ended key or session and no more.
type memory struct {
	mu      sync.RWMutex
	good    map[[32]byte]*list.Element // of order
	order   *list.List                 // of *remembered, the oldest first
	of      map[string]map[[32]byte]struct{}
	revoked map[string]time.Time // id of key or session -> when its last token has expired
	ends    []string             // the keys of revoked, the first to be forgotten first
}

type remembered struct {
	digest    [32]byte
	principal Principal
	until     time.Time
}

// source is the id whose end ends the credential: the session of a login, else
// the key or the subject.
func (r *remembered) source() string {
	if r.principal.Session != "" {
		return r.principal.Session
	}
	return r.principal.ID
}

func newMemory() *memory {
	return &memory{
		good: map[[32]byte]*list.Element{}, order: list.New(), of: map[string]map[[32]byte]struct{}{}, revoked: map[string]time.Time{},
	}
}

func (m *memory) get(digest [32]byte, now time.Time) (Principal, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at := m.good[digest]
	if at == nil {
		return Principal{}, false
	}
	r := at.Value.(*remembered)
	return r.principal, now.Before(r.until)
}

// put remembers p, and is false when its key or session ended meanwhile: the
// check that found it good may have begun before. When there is no room, what
// was remembered first makes it: its owner pays one look-up.
func (m *memory) put(digest [32]byte, p Principal, until time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &remembered{digest, p, until}
	if _, gone := m.revoked[r.source()]; gone {
		return false
	}
	if at := m.good[digest]; at != nil {
		m.forget(at)
	} else if len(m.good) >= maxRemembered {
		m.forget(m.order.Front())
	}
	m.good[digest] = m.order.PushBack(r)
	if m.of[r.source()] == nil {
		m.of[r.source()] = map[[32]byte]struct{}{}
	}
	m.of[r.source()][digest] = struct{}{}
	return true
}

func (m *memory) forget(at *list.Element) {
	r := m.order.Remove(at).(*remembered)
	delete(m.good, r.digest)
	delete(m.of[r.source()], r.digest)
	if len(m.of[r.source()]) == 0 {
		delete(m.of, r.source())
	}
}

// revoke forgets all that came from the keys and sessions of these ids, and
// refuses their tokens for as long as one can live: another coordinator may
// trust the key for a while yet, and make tokens from it.
func (m *memory) revoke(now time.Time, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.ends) > 0 && !now.Before(m.revoked[m.ends[0]]) {
		delete(m.revoked, m.ends[0])
		m.ends = m.ends[1:]
	}
	for _, id := range ids {
		if _, known := m.revoked[id]; !known {
			m.revoked[id] = now.Add(TokenLife + keyMemory)
			m.ends = append(m.ends, id)
		}
		for digest := range m.of[id] {
			m.forget(m.good[digest])
		}
	}
}
