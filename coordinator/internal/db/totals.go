package db

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// totalsFor is how long a count is told again before it is taken anew.
	totalsFor = time.Second
	// maxTotals bounds how many counts are remembered.
	maxTotals = 1000
)

// Totals counts what lists match. Counting reads all of it, however few of it a
// page shows, so each count is told again for a second, and one that many ask
// for at once is taken once.
type Totals struct {
	pool *Pool
	now  func() time.Time

	mu     sync.Mutex
	counts map[string]*count
}

type count struct {
	mu    sync.Mutex
	at    time.Time // zero: never taken
	total int
}

// NewTotals makes a Totals.
func NewTotals(pool *Pool, now func() time.Time) *Totals {
	return &Totals{pool: pool, now: now, counts: map[string]*count{}}
}

// Page is what was read of a list beside its total.
type Page struct {
	Offset int  // of its first item
	Items  int  // on it
	More   bool // items follow it
	Cursor bool // it was read by a cursor: its offset is not known
}

// agree makes a total that may be a little old one that the page does not deny.
func (p Page) agree(total int) int {
	known := p.Offset + p.Items
	switch {
	case p.Cursor:
		return max(total, p.Items)
	case p.More:
		return max(total, known+1)
	case p.ends():
		return known
	}
	return total
}

// ends reports whether the list is known to end with the page.
func (p Page) ends() bool { return !p.More && !p.Cursor && (p.Items > 0 || p.Offset == 0) }

// Of is how many rows the list has that page was read of; sql is a SELECT
// count(*). The last page tells it without.
func (t *Totals) Of(ctx context.Context, page Page, sql string, args ...any) (int, error) {
	if page.ends() {
		return page.agree(0), nil
	}
	c := t.count(fmt.Sprintf("%s %q", sql, args))
	c.mu.Lock()
	defer c.mu.Unlock()
	now := t.now()
	if age := now.Sub(c.at); c.at.IsZero() || age < 0 || age >= totalsFor {
		if err := t.pool.QueryRow(ctx, sql, args...).Scan(&c.total); err != nil {
			return 0, err
		}
		c.at = now
	}
	return page.agree(c.total), nil
}

func (t *Totals) count(key string) *count {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, known := t.counts[key]
	if !known {
		if len(t.counts) >= maxTotals {
			clear(t.counts)
		}
		c = &count{}
		t.counts[key] = c
	}
	return c
}
