package broker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/limit"
)

// errFailedBefore refuses a login unseen: too many from its network failed.
var errFailedBefore = errors.New("too many logins from this network failed")

// gate bounds what one network may ask for: connections, before TLS costs
// anything, and failed logins, before a key is derived or the database is
// asked. All nodes behind one NAT are one network, so a node that logged in
// from there does not pay for what strangers there get wrong. Whoever holds many
// IPv6 networks is bounded by the site that they are of.
type gate struct {
	connectRate, failureRate int // a minute; 0: any number
	now                      func() time.Time

	connects, failures *limit.Origins
	turns              turns
	known              known
}

func newGate(c *Config) *gate {
	return &gate{
		connectRate: c.ConnectRate, failureRate: c.FailedLoginRate, now: c.Now,
		connects: limit.NewOrigins(limit.DefaultKeys), failures: limit.NewOrigins(limit.DefaultKeys),
		turns: turns{of: make(map[netip.Addr]*turn)}, known: known{most: mostKnown, newer: make(map[caller]struct{})},
	}
}

// caller is who logs in, and from where.
type caller struct {
	network netip.Addr // not valid: not limited
	nodeID  string
}

// networkOf is what a connection counts as.
func networkOf(c net.Conn) netip.Addr {
	tcp, is := c.RemoteAddr().(*net.TCPAddr)
	if !is {
		return netip.Addr{}
	}
	return limit.Network(tcp.AddrPort().Addr())
}

// mayConnect counts a connection, and reports whether it may go on.
func (g *gate) mayConnect(network netip.Addr) bool {
	return g.connectRate <= 0 || !network.IsValid() || g.connects.Take(network, g.connectRate, g.now()).Allowed
}

// login runs check, unless its network has to wait. Logins of one network are
// checked one after the other: of many at the same moment, no more would fail
// than of as many in a row.
func (g *gate) login(ctx context.Context, from caller, check func() error) error {
	if g.failureRate <= 0 || !from.network.IsValid() {
		return check()
	}
	done, err := g.turns.take(ctx, from.network)
	if err != nil {
		return err
	}
	defer done()
	if !g.failures.Look(from.network, g.failureRate, g.now()).Allowed && !g.known.has(from) {
		return errFailedBefore
	}
	err = check()
	switch {
	case err == nil:
		g.known.add(from)
	case wrongLogin(err):
		g.failures.Take(from.network, g.failureRate, g.now())
		g.known.remove(from)
	}
	return err
}

// turns lets one at a time through for each network.
type turns struct {
	mu sync.Mutex
	of map[netip.Addr]*turn
}

type turn struct {
	taken chan struct{} // holds one
	users int           // who has it or waits for it
}

// take waits for the turn of network until ctx ends; done gives it on.
func (t *turns) take(ctx context.Context, network netip.Addr) (done func(), err error) {
	t.mu.Lock()
	own := t.of[network]
	if own == nil {
		own = &turn{taken: make(chan struct{}, 1)}
		t.of[network] = own
	}
	own.users++
	t.mu.Unlock()
	select {
	case own.taken <- struct{}{}:
		return func() { <-own.taken; t.leave(network, own) }, nil
	case <-ctx.Done():
		t.leave(network, own)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(network netip.Addr, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(t.of, network)
	}
}

// mostKnown bounds the memory of each of known's two maps, to some 10 MB.
const mostKnown = 100_000

// known are the nodes that logged in from a network, and did not fail there
// since. Full, it forgets those that did so longest ago.
type known struct {
	mu           sync.Mutex
	most         int // in each
	newer, older map[caller]struct{}
}

func (k *known) has(c caller) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, newer := k.newer[c]
	_, older := k.older[c]
	return newer || older
}

func (k *known) add(c caller) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.newer) >= k.most {
		k.newer, k.older = make(map[caller]struct{}), k.newer
	}
	c.nodeID = strings.Clone(c.nodeID) // it is part of the packet
	k.newer[c] = struct{}{}
}

func (k *known) remove(c caller) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.newer, c)
	delete(k.older, c)
}
