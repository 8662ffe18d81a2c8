package fleet

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// What each lie tells of an hour of a machine is a valid message, and shows what it
// is meant to show; the truth does not.
func TestLies(t *testing.T) {
	const interval = 10 * time.Second
	hour := func(k Kind) (samples []wire.Sample) {
		s := k.lie(newWalk(models[2], 3, interval), interval)
		for seq := range uint64(360) {
			s.step()
			told := s.sample()
			told.Seq, told.AtMs = seq+1, time.Now().UnixMilli()
			samples = append(samples, told)
		}
		return samples
	}
	falls := func(a, b wire.Sample) bool { return b.Network.TotalBytesIn < a.Network.TotalBytesIn }
	floods := func(a, b wire.Sample) bool {
		return !falls(a, b) && b.Network.TotalBytesOut-a.Network.TotalBytesOut > uint64(interval.Seconds()*312_500_000)
	}
	stands := func(a, b wire.Sample) bool {
		a.Seq, a.AtMs, b.Seq, b.AtMs = 0, 0, 0, 0
		return reflect.DeepEqual(a, b)
	}
	shown := map[Kind]func(a, b wire.Sample) bool{Fall: falls, Flood: floods, Freeze: stands}
	for _, told := range []Kind{Honest, Fall, Flood, Freeze} {
		samples := hour(told)
		text, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: samples[:60]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeMetrics(text); err != nil {
			t.Errorf("%s: %v", told, err)
		}
		for kind, shows := range shown {
			for i := range samples[1:] {
				if got := shows(samples[i], samples[i+1]); got != (kind == told) {
					t.Fatalf("%s: sample %d looks like %s: %v", told, i+2, kind, got)
				}
			}
		}
	}
}

// Two answers to one challenge are two, also within a millisecond.
func TestSecondAnswerIsAnother(t *testing.T) {
	n := &node{machine: &machine{kind: Second}, boot: newBoot(time.Now().Add(-time.Hour))}
	n.answered++
	_, first := n.toldBoot()
	n.answered++
	if _, second := n.toldBoot(); second.Milliseconds() <= first.Milliseconds() {
		t.Errorf("%s since boot, then %s", first, second)
	}
}

// A twin says that it runs on the board of the first honest node; its own is
// another.
func TestTwinNamesAnotherBoard(t *testing.T) {
	f, err := New(Config{Nodes: 2, Duration: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	honest, own := models[0].inventory(0), models[0].inventory(1)
	f.machines = []*machine{{kind: Honest, inventory: &honest}, {kind: Twin, inventory: &own}}
	all := f.populate()
	if all[1].inventory.SerialHash != honest.SerialHash || own.SerialHash == honest.SerialHash || all[0].inventory != &honest {
		t.Errorf("the honest node's board %s, the twin's %s, which it says is %s", honest.SerialHash, own.SerialHash, all[1].inventory.SerialHash)
	}
}

// Nodes have a network each only where this machine is the server's.
func TestNetworkOf(t *testing.T) {
	for server, want := range map[string]string{
		"127.0.0.1:8883": "127.2.44.1:0", "localhost:8883": "127.2.44.1:0", "[::1]:8883": "", "192.0.2.7:8883": "", "lucid.example:8883": "", "nonsense": "",
	} {
		got := ""
		if from := networkOf(300, server); from != nil {
			got = from.String()
		}
		if got != want {
			t.Errorf("%s: from %q, want %q", server, got, want)
		}
	}
}

// A model that is named is what all are who cheat about none.
func TestModelIsNamed(t *testing.T) {
	c := Config{Model: models[1].name}
	for kind, want := range map[Kind]string{Honest: models[1].name, Swift: models[1].name, Relay: slowest.name} {
		if got := c.modelOf(7, kind).name; got != want {
			t.Errorf("%s is a %s, want a %s", kind, got, want)
		}
	}
}
