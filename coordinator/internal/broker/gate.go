package broker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/limit"
)

// errFailedBefore refuses a login unseen: too many from its network failed.
var errFailedBefore = errors.New("too many logins from this network failed")

// gate bounds what one network may ask for: connections, before TLS costs
// anything, and failed logins, before a key is derived or the database is
// asked. All nodes behind one NAT are one network, so a node that logged in
// from there does not pay for what strangers there get wrong, and leaves room for
// its own return. Whoever holds many IPv6 networks is bounded by the site that
// they are of.
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
		turns: turns{of: make(map[caller]*turn)}, known: newKnown(mostKnown),
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
	return g.connectRate <= 0 || !network.IsValid() ||
		g.connects.TakeMore(network, g.connectRate, returns(g.known.at(network)), g.now()).Allowed
}

// A node that comes back tries some six times in the first minute, by its
// back-off. Where more than 10,000 are known they take longer than that: it is
// about what one coordinator can let in.
const (
	returnsOfNode = 6
	mostReturns   = 60_000
)

// returns is how many connections a minute a home may make beyond what any may,
// where so many nodes are known to be at home. They count once, however many
// networks of a site they call from, so that who has one node gains little.
func returns(nodes int) int { return min(returnsOfNode*nodes, mostReturns) }

// login runs check, unless its network has to wait. Logins of one network, known
// nodes apart, are checked one after the other: of many at the same moment, no
// more would fail than of as many in a row.
func (g *gate) login(ctx context.Context, from caller, check func() error) error {
	if !from.network.IsValid() {
		return check()
	}
	if g.failureRate > 0 {
		done, err := g.turns.take(ctx, g.turnOf(from))
		if err != nil {
			return err
		}
		defer done()
		if !g.failures.Look(from.network, g.failureRate, g.now()).Allowed && !g.known.has(from) {
			return errFailedBefore
		}
	}
	err := check()
	switch {
	case err == nil:
		g.known.add(from)
	case wrongLogin(err):
		if g.failureRate > 0 {
			g.failures.Take(from.network, g.failureRate, g.now())
		}
		g.known.remove(from)
	}
	return err
}

// turnOf is with whom a login takes turns: with all others of its network, but a
// known node only with those in its own name.
func (g *gate) turnOf(from caller) caller {
	if g.known.has(from) {
		return caller{homeOf(from.network), from.nodeID}
	}
	return caller{network: from.network}
}

// turns lets one at a time through for each of those who take them.
type turns struct {
	mu sync.Mutex
	of map[caller]*turn
}

type turn struct {
	taken chan struct{} // holds one
	users int           // who has it or waits for it
}

// take waits for the turn of who until ctx ends; done gives it on.
func (t *turns) take(ctx context.Context, who caller) (done func(), err error) {
	t.mu.Lock()
	own := t.of[who]
	if own == nil {
		own = &turn{taken: make(chan struct{}, 1)}
		t.of[who] = own
	}
	own.users++
	t.mu.Unlock()
	select {
	case own.taken <- struct{}{}:
		return func() { <-own.taken; t.leave(who, own) }, nil
	case <-ctx.Done():
		t.leave(who, own)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(who caller, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(t.of, who)
	}
}
