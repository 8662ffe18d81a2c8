package fleet

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// Whatever a walk says is a valid message, moves, and comes again from the
// same seed.
func TestWalk(t *testing.T) {
	for _, m := range models {
		w, same := newWalk(m, 3, 10*time.Second), newWalk(m, 3, 10*time.Second)
		var samples []wire.Sample
		for seq := range uint64(100) {
			w.step()
			same.step()
			s := w.sample()
			if again := same.sample(); !reflect.DeepEqual(s, again) {
				t.Fatalf("%s: %+v and %+v from one seed", m.name, s, again)
			}
			s.Seq, s.AtMs = seq+1, time.Now().UnixMilli()
			samples = append(samples, s)
		}
		text, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: samples})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.DecodeMetrics(text); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		first, last := samples[0], samples[len(samples)-1]
		if *first.CPU.UsagePercent == *last.CPU.UsagePercent || last.Network.TotalBytesIn <= first.Network.TotalBytesIn {
			t.Errorf("%s stands still: %+v, then %+v", m.name, first.CPU, last.CPU)
		}
		if w.reboot(); w.sample().Network.TotalBytesIn != 0 {
			t.Errorf("%s: counters survive a reboot", m.name)
		}
	}
}

func TestRecording(t *testing.T) {
	samples, err := ReadRecording(strings.NewReader(
		`{"seq":4,"cpu":{"cores":4},"network":{"total_bytes_in":10}}` + "\n\n" + `{"network":{"total_bytes_in":25}}` + "\n"))
	if err != nil || len(samples) != 2 || samples[0].CPU.Cores != 4 {
		t.Fatalf("%+v, %v", samples, err)
	}
	r := replayed{samples: samples}
	var in []uint64
	for range 5 {
		in = append(in, r.sample().Network.TotalBytesIn)
		r.step()
	}
	if want := []uint64{10, 25, 35, 50, 60}; !slices.Equal(in, want) {
		t.Errorf("a counter goes %v, want %v", in, want)
	}
	for _, bad := range []string{"", "\n", "{", "[1]"} {
		if s, err := ReadRecording(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		}
	}
}
