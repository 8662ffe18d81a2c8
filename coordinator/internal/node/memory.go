package node

import (
	"sync"
	"time"
)

const (
	// maxRemembered bounds the memory: some 30 MB when full.
	maxRemembered = 10_000
	// rememberFor bounds how long a row is believed to be what it was because
	// its version is. Versions are unique but for a server that was set back to
	// an earlier state of its data.
	rememberFor = time.Minute
	// heardFor is how old a heartbeat in a list may be: to join a page with them
	// costs as much as to find the page.
	heardFor = time.Second
)

// version of a row of table node: the transaction that wrote it (xmin). The
// presence and the pool's id that are read with the row change in
// transactions that write the row as well, or never.
type version uint32

// memory holds nodes as their rows were last read. What it gives was true when
// the version was read, whoever writes: a read asks Postgres for versions, and
// for the rows themselves only where these are new. Documents are dear: a page
// of rows costs ten times what a page of versions does.
type memory struct {
	mu   sync.RWMutex
	rows map[int32]remembered
}

type remembered struct {
	version version
	node    *Node
	until   time.Time
	heard   heartbeat
}

// heartbeat is when a node was last heard, as it was read.
type heartbeat struct{ at, read time.Time }

func newMemory() *memory { return &memory{rows: map[int32]remembered{}} }

// fill sets each row that is remembered as it was seen, and the heartbeats that
// were not, and gives the numbers of the rows and of the heartbeats that are
// not remembered.
func (m *memory) fill(rows []*Node, all []seen, now time.Time) (missing, unheard []int32) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range all {
		r, known := m.rows[all[i].no]
		if !known || r.version != all[i].version || !now.Before(r.until) {
			missing = append(missing, all[i].no)
			continue
		}
		rows[i] = r.node
		switch age := now.Sub(r.heard.read); {
		case !all[i].heard.IsZero():
		case age >= 0 && age < heardFor:
			all[i].heard = r.heard.at
		default:
			unheard = append(unheard, all[i].no)
		}
	}
	return missing, unheard
}

// hear notes heartbeats of rows that are remembered.
func (m *memory) hear(at map[int32]time.Time, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for no, t := range at {
		if r, known := m.rows[no]; known {
			r.heard = heartbeat{t, now}
			m.rows[no] = r
		}
	}
}

func (m *memory) put(n *Node, v version, heard, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.rows[n.No]; !known && len(m.rows) >= maxRemembered {
		m.makeRoom(now)
	}
	m.rows[n.No] = remembered{v, n, now.Add(rememberFor), heartbeat{heard, now}}
}

// makeRoom forgets what is old, and one more at random if nothing is.
func (m *memory) makeRoom(now time.Time) {
	for no, r := range m.rows {
		if !now.Before(r.until) {
			delete(m.rows, no)
		}
	}
	for no := range m.rows {
		if len(m.rows) < maxRemembered {
			return
		}
		delete(m.rows, no)
	}
}

// Memo keeps what a reader made of a node's row, for as long as the row is
// remembered: the JSON of a node is made once and not for every page.
type Memo struct {
	once sync.Once
	kept any
}

// Made gives what make made of the node the first time. It must not use
// LastHeartbeat and Alerted, which are not the row's. Without a Memo it is made
// each time.
func (n *Node) Made(make func(*Node) any) any {
	if n.Memo == nil {
		return make(n)
	}
	n.Memo.once.Do(func() { n.Memo.kept = make(n) })
	return n.Memo.kept
}
