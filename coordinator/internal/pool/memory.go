package pool

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// listedFor is how old what a list says of a pool's nodes, health and usage may
	// be: to count the nodes of a page of pools reads as many rows as they have.
	// The pool's own row, with its reward and its places, is always the newest.
	listedFor = time.Second
	// maxRemembered bounds the memory: some 10 MB when full.
	maxRemembered = 10_000
)

// Listed is a pool on a page of a list. It is shared and must not be changed.
type Listed struct {
	Pool
	once sync.Once
	made any
}

// Made gives what make made of the pool the first time: its JSON is not made for
// every page.
func (l *Listed) Made(make func(Pool) any) any {
	l.once.Do(func() { l.made = make(l.Pool) })
	return l.made
}

// memory holds pools as lists last read them.
type memory struct {
	mu    sync.RWMutex
	pools map[int32]remembered
}

type remembered struct {
	pool *Listed
	read time.Time
}

// seen is a pool on a page of which more may be remembered.
type seen struct {
	no      int32
	version uint32 // of the row: the transaction that wrote it (xmin)
	name    string
}

// fill sets each pool that is remembered as it was seen, and gives the numbers of
// the others.
func (m *memory) fill(pools []*Listed, page []seen, now time.Time) (missing []int32) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, one := range page {
		r, known := m.pools[one.no]
		if age := now.Sub(r.read); known && r.pool.written == one.version && age >= 0 && age < listedFor {
			pools[i] = r.pool
			continue
		}
		missing = append(missing, one.no)
	}
	return missing
}

func (m *memory) put(pools map[int32]*Listed, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.pools)+len(pools) > maxRemembered {
		clear(m.pools)
	}
	for no, p := range pools {
		m.pools[no] = remembered{p, now}
	}
}

// recall gives the pools of a page: from memory, and in one query those that are
// new or were read a while ago. One that is gone meanwhile is left out.
func (s *Store) recall(ctx context.Context, page []seen) ([]*Listed, error) {
	pools, now := make([]*Listed, len(page)), s.now()
	missing := s.memory.fill(pools, page, now)
	if len(missing) == 0 {
		return pools, nil
	}
	rows, err := s.read(ctx, " AND p.pool_no = ANY($1)", missing)
	if err != nil {
		return nil, err
	}
	read := make(map[int32]*Listed, len(rows))
	for _, p := range rows {
		read[p.No] = &Listed{Pool: p}
	}
	s.memory.put(read, now)
	there := pools[:0]
	for i, p := range pools {
		if p == nil {
			p = read[page[i].no]
		}
		if p != nil {
			there = append(there, p)
		}
	}
	return there, nil
}

// see reads which pools the rest of a statement (conditions, order, limit) selects.
func (s *Store) see(ctx context.Context, rest string, args ...any) (page []seen, err error) {
	rows, err := s.pool.Query(ctx, "SELECT p.pool_no, p.xmin, p.name"+livePools+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	defer rows.Close()
	var one seen
	into := []any{&one.no, &one.version, &one.name}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("list pools: %w", err)
		}
		page = append(page, one)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	return page, nil
}
