package fraud

import (
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

func TestNewAddresses(t *testing.T) {
	all := fleet(3)
	all[0].AddressChanged, all[1].AddressChanged = noon.Add(-node.AddressWait), noon.Add(-node.AddressWait+time.Second)
	if got := flagged(newAddresses(all, noon)); !reflect.DeepEqual(got, map[string][]int32{newAddress: {2}}) {
		t.Errorf("%v", got)
	}
}

func TestCapped(t *testing.T) {
	midnight := noon.Truncate(24 * time.Hour)
	hour := func(n int) time.Time { return midnight.Add(time.Duration(n) * time.Hour) }
	earned := func(no int32, end time.Time, usdt int64, reasons ...string) Earning {
		return Earning{no, end, ledger.USDT(usdt), reasons}
	}
	flag := func(no int32, end time.Time, usdt int64) Found {
		return found(dailyCap, no, day(end.Add(-1)), end, capEvidence{end, ledger.USDT(usdt)})
	}
	for name, c := range map[string]struct {
		earnings []Earning
		want     []Found
	}{
		"nothing earned":                      {nil, nil},
		"all that its weight gives":           {[]Earning{earned(1, hour(1), 900), earned(1, hour(2), 100)}, nil},
		"a part, for it joined late":          {[]Earning{earned(1, hour(1), 3, epoch.ReasonPartial)}, nil},
		"nothing, for other reasons":          {[]Earning{earned(1, hour(1), 0, epoch.ReasonPartial)}, nil},
		"cut to what was left":                {[]Earning{earned(1, hour(1), 900), earned(1, hour(2), 100, epoch.ReasonCapped)}, []Found{flag(1, hour(2), 100)}},
		"cut, and joined late":                {[]Earning{earned(1, hour(2), 100, epoch.ReasonPartial, epoch.ReasonCapped)}, []Found{flag(1, hour(2), 100)}},
		"cut again and again that day":        {[]Earning{earned(1, hour(4), 0, epoch.ReasonCapped), earned(1, hour(3), 7, epoch.ReasonCapped)}, []Found{flag(1, hour(3), 7)}},
		"midnight ends the day before":        {[]Earning{earned(1, hour(24), 5, epoch.ReasonCapped), earned(1, hour(25), 6, epoch.ReasonCapped)}, []Found{flag(1, hour(24), 5), flag(1, hour(25), 6)}},
		"one of several nodes":                {[]Earning{earned(1, hour(1), 9), earned(2, hour(1), 1, epoch.ReasonCapped), earned(3, hour(1), 9)}, []Found{flag(2, hour(1), 1)}},
		"in two pools in one epoch, cut once": {[]Earning{earned(1, hour(1), 9), earned(1, hour(1), 1, epoch.ReasonCapped)}, []Found{flag(1, hour(1), 1)}},
	} {
		if got := capped(c.earnings); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// What the settlement wrote is what the judge finds: who was cut, and nobody else.
func TestWhoReachesTheDailyCapIsFlagged(t *testing.T) {
	w := newWorld(t)
	below, above := w.addNode(1, "pool_a"), w.addNode(2, "pool_a")
	for _, e := range []struct {
		nodeNo  int32
		reasons []string
	}{{below, []string{}}, {below, []string{epoch.ReasonPartial}}, {above, []string{}}, {above, []string{epoch.ReasonPartial, epoch.ReasonCapped}}} {
		w.earnFor(e.nodeNo, "pool_a", ledger.USDT(5), false, e.reasons...)
	}
	last := query[time.Time](w, `SELECT max(closed_at) FROM epoch`)
	replayed, err := w.Replay(t.Context(), dailyCap, last.AddDate(0, 0, -1), last)
	if err != nil || len(replayed) != 1 || replayed[0].NodeID != "node_2" {
		t.Errorf("replayed: %+v, %v", replayed, err)
	}
	w.clock = last.Add(wideEvery)
	w.run()
	w.wantFlags(below)
	w.wantFlags(above, dailyCap)
	if w.held(above) {
		t.Error("a notice holds money")
	}
}
