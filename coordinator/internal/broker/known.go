package broker

import (
	"net/netip"
	"strings"
	"sync"

	"lucid.internal/coordinator/internal/limit"
)

// mostKnown bounds the memory of each generation of known, to some 10 MB.
const mostKnown = 100_000

// known are the nodes that logged in from a home, and did not fail there since.
// Full, it forgets those that did so longest ago.
type known struct {
	mu           sync.Mutex
	most         int // in each
	newer, older generation
}

// generation is who is known, each in one only, and how many are at each home.
type generation struct {
	nodes map[resident]struct{}
	at    map[netip.Addr]int
}

// resident is a node at its home.
type resident struct {
	home   netip.Addr
	nodeID string
}

func (c caller) resident() resident { return resident{homeOf(c.network), c.nodeID} }

func newGeneration() generation {
	return generation{nodes: make(map[resident]struct{}), at: make(map[netip.Addr]int)}
}

func newKnown(most int) known {
	return known{most: most, newer: newGeneration(), older: newGeneration()}
}

// homeOf is where a node is known to be: an IPv4 address, or the IPv6 site, since
// many providers give their customers another network of it now and then.
func homeOf(network netip.Addr) netip.Addr {
	if site, ok := limit.Site(network); ok {
		return site
	}
	return network
}

func (k *known) has(c caller) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := c.resident()
	_, newer := k.newer.nodes[r]
	_, older := k.older.nodes[r]
	return newer || older
}

// at is how many nodes are known at the home of a network.
func (k *known) at(network netip.Addr) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	home := homeOf(network)
	return k.newer.at[home] + k.older.at[home]
}

func (k *known) add(c caller) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := c.resident()
	if _, there := k.newer.nodes[r]; there {
		return
	}
	k.older.remove(r)
	if len(k.newer.nodes) >= k.most {
		k.newer, k.older = newGeneration(), k.newer
	}
	r.nodeID = strings.Clone(r.nodeID) // it is part of the packet
	k.newer.nodes[r] = struct{}{}
	k.newer.at[r.home]++
}

func (k *known) remove(c caller) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := c.resident()
	k.newer.remove(r)
	k.older.remove(r)
}

func (g *generation) remove(r resident) {
	if _, there := g.nodes[r]; !there {
		return
	}
	delete(g.nodes, r)
	if g.at[r.home]--; g.at[r.home] == 0 {
		delete(g.at, r.home)
	}
}
