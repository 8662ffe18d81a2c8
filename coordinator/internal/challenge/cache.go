package challenge

import (
	"sync"
	"time"
)

// cacheMost bounds a cache: beyond it everything is forgotten at once, which
// costs work and nothing else.
const cacheMost = 10_000

// cache remembers what was found of answers that were checked, for a while.
type cache struct {
	life time.Duration

	mu    sync.Mutex
	found map[[32]byte]remembered
	swept time.Time
}

type remembered struct {
	Finding
	until time.Time
}

func newCache(life time.Duration) *cache {
	return &cache{life: life, found: map[[32]byte]remembered{}}
}

func (c *cache) get(key [32]byte, now time.Time) (Finding, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, found := c.found[key]
	return r.Finding, found && now.Before(r.until)
}

func (c *cache) put(key [32]byte, f Finding, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.found) >= cacheMost:
		clear(c.found)
	case now.Sub(c.swept) >= c.life:
		c.swept = now
		for k, r := range c.found {
			if !now.Before(r.until) {
				delete(c.found, k)
			}
		}
	}
	c.found[key] = remembered{f, now.Add(c.life)}
}
