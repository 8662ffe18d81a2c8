package limit

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"
)

func start() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

func TestAllowanceIsSpentAndComesBack(t *testing.T) {
	l, now := New[string](10), start()
	for i := range 100 {
		r := l.Take("a", 100, now)
		if !r.Allowed || r.Limit != 100 || r.Remaining != 99-i || r.Full != time.Duration(i+1)*600*time.Millisecond {
			t.Fatalf("request %d: %+v", i+1, r)
		}
	}
	for range 3 { // refusals cost nothing
		r := l.Take("a", 100, now)
		if r.Allowed || r.Remaining != 0 || r.Wait != 600*time.Millisecond || r.Full != time.Minute {
			t.Fatalf("request 101: %+v", r)
		}
	}
	if r := l.Take("b", 100, now); !r.Allowed || r.Remaining != 99 {
		t.Errorf("another caller: %+v", r)
	}
	if r := l.Take("a", 100, now.Add(599*time.Millisecond)); r.Allowed || r.Wait != time.Millisecond {
		t.Errorf("just before: %+v", r)
	}
	if r := l.Take("a", 100, now.Add(600*time.Millisecond)); !r.Allowed || r.Remaining != 0 {
		t.Errorf("as soon as Wait has passed: %+v", r)
	}
	if r := l.Take("a", 100, now.Add(2*time.Minute)); !r.Allowed || r.Remaining != 99 {
		t.Errorf("after a rest: %+v", r)
	}
}

// A burst holds exactly the limit, also where a minute cannot be divided by it.
func TestBurstIsExactlyTheLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 59, 61, 1000, 9_999_999} {
		l, now, allowed := New[int](10), start(), 0
		for l.Take(0, limit, now).Allowed {
			allowed++
		}
		if allowed != limit {
			t.Errorf("limit %d lets %d through at once", limit, allowed)
		}
	}
}

func TestLongRunRate(t *testing.T) {
	l, now, allowed := New[int](10), start(), 0
	for range 10 * 60 * 100 { // ten minutes, every 10 ms
		if l.Take(0, 100, now).Allowed {
			allowed++
		}
		now = now.Add(10 * time.Millisecond)
	}
	if allowed < 1099 || allowed > 1100 {
		t.Errorf("%d in ten minutes; want a burst of 100 and 100 a minute", allowed)
	}
}

func TestLookCountsNothing(t *testing.T) {
	l, now := New[string](10), start()
	for range 5 {
		if r := l.Look("a", 2, now); !r.Allowed || r.Remaining != 2 || r.Full != 0 {
			t.Fatalf("%+v", r)
		}
	}
	l.Take("a", 2, now)
	l.Take("a", 2, now)
	if r := l.Look("a", 2, now); r.Allowed || r.Wait != 30*time.Second {
		t.Errorf("spent: %+v", r)
	}
}

// A caller whose limit is lowered is not shut out for longer than a minute.
func TestLimitMayChange(t *testing.T) {
	l, now := New[string](10), start()
	for range 1000 {
		l.Take("a", 1000, now)
	}
	if r := l.Take("a", 10, now); r.Allowed || r.Wait != 6*time.Second {
		t.Errorf("lowered: %+v", r)
	}
}

func TestClockThatGoesBack(t *testing.T) {
	l, now := New[string](10), start()
	l.Take("a", 1, now)
	if r := l.Take("a", 1, now.Add(-time.Hour)); r.Wait > time.Minute {
		t.Errorf("%+v", r)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l, now := New[int](100), start()
	for i := range 10_000 {
		l.Take(i, 100, now)
		if n := len(l.newer) + len(l.older); n > 200 {
			t.Fatalf("%d keys after %d callers", n, i+1)
		}
	}
	if r := l.Take(9999, 100, now); r.Remaining != 98 {
		t.Errorf("the last caller was forgotten: %+v", r)
	}
	l.Take(0, 100, now.Add(time.Minute))
	l.Take(0, 100, now.Add(2*time.Minute))
	if n := len(l.newer) + len(l.older); n > 2 {
		t.Errorf("%d keys remembered after two idle minutes", n)
	}
}

// A caller who comes all the time is not forgotten when the maps change places.
func TestTurnForgetsNobodyWhoIsLimited(t *testing.T) {
	l, now, allowed := New[int](10), start(), 0
	for range 300 {
		if l.Take(0, 2, now).Allowed {
			allowed++
		}
		now = now.Add(time.Second)
	}
	if allowed != 2+9 { // and one each 30 s of 299
		t.Errorf("%d of 300", allowed)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	l, now := New[netip.Addr](1000), start()
	address := netip.MustParseAddr("2001:db8::1")
	l.Take(Network(address), 1000, now)
	if n := testing.AllocsPerRun(500, func() { l.Take(Network(address), 1000, now) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	l, now := New[string](10), start()
	var wg sync.WaitGroup
	var mu sync.Mutex
	allowed := 0
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if l.Take("a", 100, now).Allowed {
					mu.Lock()
					allowed++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if allowed != 100 {
		t.Errorf("%d allowed", allowed)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"fe80::1%eth0": "fe80::",
	} {
		if got := Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s is counted as %s, want %s", address, got, want)
		}
	}
	if Network(netip.Addr{}) != (netip.Addr{}) {
		t.Error("no address is not itself")
	}
}

// Who holds a whole site does not get an allowance for each of its networks, and
// what is refused takes nothing from anybody.
func TestOriginsOfOneSiteShareALargerAllowance(t *testing.T) {
	o, now := NewOrigins(100), start()
	at := func(network int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:7:%x::1", network)) }
	for range 3 {
		if r := o.Take(at(0), 2, now); r.Limit != 2 {
			t.Fatalf("%+v", r)
		}
	}
	if r := o.Look(at(0), 2, now); r.Allowed {
		t.Errorf("a network beyond its own allowance: %+v", r)
	}
	for i := 1; i < SiteNetworks; i++ {
		for range 2 {
			if r := o.Take(at(i), 2, now); !r.Allowed || r.Limit != 2 {
				t.Fatalf("network %d: %+v", i, r)
			}
		}
	}
	if r := o.Take(at(0xffff), 2, now); r.Allowed || r.Limit != 2*SiteNetworks {
		t.Errorf("beyond the site's: %+v", r)
	}
	for _, other := range []string{"2001:db8:8::1", "192.0.2.1", "192.0.2.2"} {
		if r := o.Take(netip.MustParseAddr(other), 2, now); !r.Allowed {
			t.Errorf("another site, %s: %+v", other, r)
		}
	}
	if r := o.Take(at(0xffff), 2, now.Add(time.Minute/2/SiteNetworks)); !r.Allowed || r.Remaining != 1 {
		t.Errorf("as soon as the site's comes back: %+v", r)
	}
}

func BenchmarkTake(b *testing.B) {
	l, now := New[string](DefaultKeys), start()
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = "user_" + strconv.Itoa(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Take(keys[i%len(keys)], 1000, now)
	}
}
