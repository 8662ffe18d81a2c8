package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestMetricsAck(t *testing.T) {
	good := MetricsAck{V: ProtocolVersion, Run: NewRunID(), Seq: 7, MAC: make([]byte, 32)}
	text := func(a MetricsAck) []byte {
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if got, err := DecodeMetricsAck(text(good)); err != nil || !reflect.DeepEqual(*got, good) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(*MetricsAck){
		"version":  func(a *MetricsAck) { a.V = 2 },
		"no run":   func(a *MetricsAck) { a.Run = RunID{} },
		"no seq":   func(a *MetricsAck) { a.Seq = 0 },
		"short":    func(a *MetricsAck) { a.MAC = a.MAC[:31] },
		"no value": func(a *MetricsAck) { *a = MetricsAck{} },
	} {
		bad := good
		change(&bad)
		if got, err := DecodeMetricsAck(text(bad)); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

func TestNameMetrics(t *testing.T) {
	run := NewRunID()
	for text, want := range map[string]uint64{
		`{"run":"` + run.String() + `","samples":[{"seq":4},{"seq":5}]}`:                5,
		`{"v":9,"run":"` + run.String() + `","samples":[{"seq":1,"cpu":{"cores":-1}}]}`: 1, // no data, but it has a name
	} {
		if got, seq, ok := NameMetrics([]byte(text)); !ok || got != run || seq != want {
			t.Errorf("%s: %v %d %t", text, got, seq, ok)
		}
	}
	for _, text := range []string{
		"", "{", `{"run":"` + run.String() + `"}`, `{"samples":[{"seq":4}]}`, `{"run":"` + run.String() + `","samples":[{"seq":0}]}`,
		`{"run":"` + run.String() + `","samples":[{"seq":` + strings.Repeat("9", 19) + `}]}`,
	} {
		if got, seq, ok := NameMetrics([]byte(text)); ok {
			t.Errorf("%s: named %v %d", text, got, seq)
		}
	}
}
