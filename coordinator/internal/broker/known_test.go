package broker

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/limit"
)

// site is a gate with a clock that the test moves, and networks of one IPv6 site.
type site struct {
	*gate
	t   *testing.T
	now time.Time
}

func newSite(t *testing.T, connects, failures int) *site {
	s := &site{t: t, now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	s.gate = newGate(&Config{ConnectRate: connects, FailedLoginRate: failures, Now: func() time.Time { return s.now }})
	return s
}

func (s *site) network(n int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::", n))
}

func (s *site) login(n int, nodeID string, result error) error {
	return s.gate.login(s.t.Context(), caller{s.network(n), nodeID}, func() error { return result })
}

// connects is how many of so many connections from network n get in.
func (s *site) connects(n, count int) (in int) {
	for range count {
		if s.mayConnect(s.network(n)) {
			in++
		}
	}
	return in
}

var errWrong = fault.New(fault.BadCredentials, "wrong")

// Who holds a whole IPv6 site neither connects nor guesses as often as its 65,536
// networks might.
func TestNetworksOfOneSiteShareALargerAllowance(t *testing.T) {
	s := newSite(t, 1, 1)
	for n := range limit.SiteNetworks {
		want(t, "connections of another network", s.connects(n, 2), 1)
		want(t, "a guess from another network", s.login(n, "node_b", errWrong), error(errWrong))
	}
	want(t, "connections of one network more", s.connects(0xffff, 1), 0)
	want(t, "one guess more", s.login(0xffff, "node_b", errWrong), errFailedBefore)
	want(t, "a connection of another site", s.mayConnect(netip.MustParseAddr("2001:db8:1::")), true)
	s.now = s.now.Add(time.Minute)
	want(t, "connections a minute later", s.connects(0xffff, 1), 1)
}

// A node that logged in before is let in while others of its site guess, also when
// its provider has given it another network since.
func TestNodeIsKnownInItsWholeSite(t *testing.T) {
	s := newSite(t, 0, 1)
	want(t, "a node at home", s.login(0xa, "node_k", nil), nil)
	for n := range limit.SiteNetworks {
		want(t, "a guess", s.login(n, "node_b", errWrong), error(errWrong))
	}
	want(t, "a stranger", s.login(0xb, "node_c", nil), errFailedBefore)
	want(t, "the node, from another network", s.login(0xb, "node_k", nil), nil)
	want(t, "a guess at the node", s.login(0xc, "node_k", errWrong), error(errWrong))
	want(t, "a second one", s.login(0xc, "node_k", errWrong), errFailedBefore)
}

// A provider's customers share a site. However many networks of it nodes are in,
// all of them may come back at once.
func TestKnownNodesOfASiteComeBackAtOnce(t *testing.T) {
	const homes = 10 * limit.SiteNetworks
	s := newSite(t, 1, 1)
	for n := range homes {
		want(t, "a login", s.login(n, fmt.Sprintf("node_%d", n), nil), nil)
	}
	for n := range homes {
		want(t, "the return of network after network", s.connects(n, 1), 1)
	}
}

// Nodes behind one NAT that were let in make room for the others behind it.
func TestLoginsMakeRoomForMore(t *testing.T) {
	s := newSite(t, 10, 0)
	want(t, "connections of strangers", s.connects(0, 20), 10)
	for n := range 10 {
		want(t, "a login", s.login(0, fmt.Sprintf("node_%d", n), nil), nil)
	}
	s.now = s.now.Add(10 * time.Second)
	want(t, "connections in the next ten seconds", s.connects(0, 100), 11)
}

// Who has one node, and many networks of a site to log it in from, gains what one
// node may; and with its first failure not even that.
func TestOneNodeMakesLittleRoom(t *testing.T) {
	s := newSite(t, 1, 0)
	for n := range 100 {
		want(t, "a login", s.login(n, "node_k", nil), nil)
	}
	in := 0
	for n := range 100 {
		in += s.connects(n, 1)
	}
	want(t, "connections", in, limit.SiteNetworks+returnsOfNode)
	want(t, "a wrong login", s.login(7, "node_k", errWrong), error(errWrong))
	want(t, "nodes known", s.known.at(s.network(9)), 0)
}

func TestReturns(t *testing.T) {
	for nodes, more := range map[int]int{0: 0, 1: 6, 1000: 6000, 10_000: 60_000, 100_000: 60_000} {
		want(t, fmt.Sprintf("room for %d nodes", nodes), returns(nodes), more)
	}
}

func TestKnownNodesAreBounded(t *testing.T) {
	k := newKnown(10)
	home := netip.MustParseAddr("192.0.2.1")
	for i := range 100 {
		k.add(caller{home, fmt.Sprint(i)})
		if n := len(k.newer.nodes) + len(k.older.nodes); n > 20 || k.at(home) != n {
			t.Fatalf("%d remembered, %d at home", n, k.at(home))
		}
	}
	want(t, "the tenth last", k.has(caller{home, "90"}), true)
	want(t, "the first", k.has(caller{home, "0"}), false)
	for i := range 100 {
		k.remove(caller{home, fmt.Sprint(i)})
	}
	want(t, "homes remembered", len(k.newer.at)+len(k.older.at), 0)
}

func TestNodeIsKnownOnce(t *testing.T) {
	k, home := newKnown(2), netip.MustParseAddr("192.0.2.1")
	for _, nodeID := range []string{"a", "b", "c", "a", "a"} { // a and b are of the older ones when a comes again
		k.add(caller{home, nodeID})
	}
	want(t, "nodes at home", k.at(home), 3)
}

// While a stranger's login is checked, a known node of the same network is let in.
func TestKnownNodeWaitsForNoStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 0, 5)
		want(t, "a node at home", s.login(0, "node_k", nil), nil)
		err := s.gate.login(t.Context(), caller{s.network(0), "node_b"}, func() error { return s.login(0, "node_k", nil) })
		want(t, "both", err, nil)
	})
}
