package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// fuzzDecoder holds a decoder to what all of them promise: a refusal is one
// short line, and what is accepted can be written and read again without a
// change.
func fuzzDecoder[T any](t *testing.T, payload []byte, decode func([]byte) (*T, error)) {
	t.Helper()
	v, err := decode(payload)
	if err != nil {
		if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\r\x00") {
			t.Errorf("error is not one short line: %q", err)
		}
		return
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if len(again) > MaxMessageBytes {
		return // fields that the sender left out are written in full
	}
	if back, err := decode(again); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("read %s, wrote %s: %v", payload, again, err)
	}
}

// seed adds a good message, and one that is not.
func seed(f *testing.F, good any) {
	f.Helper()
	b, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"\ud800":"\u0000","connection":1e99}`))
}

func FuzzDecodeStatus(f *testing.F) {
	seed(f, goodStatus())
	f.Fuzz(func(t *testing.T, payload []byte) { fuzzDecoder(t, payload, DecodeStatus) })
}

func FuzzDecodeInfo(f *testing.F) {
	seed(f, Info{V: 1, Inventory: goodInventory()})
	seed(f, goodInventory())
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzzDecoder(t, payload, DecodeInfo)
		fuzzDecoder(t, payload, DecodeInventory)
	})
}

func FuzzDecodeProof(f *testing.F) {
	id := strings.Repeat("0a", 16)
	seed(f, Challenge{V: 1, ChallengeID: id, IssuedMs: 1, DeadlineMs: 2, Difficulty: 3, Count: 4, Bytes: []byte{0, 0xff}})
	seed(f, Response{V: 1, ChallengeID: id, Bytes: []byte{0, 0xff}})
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzzDecoder(t, payload, DecodeChallenge)
		fuzzDecoder(t, payload, DecodeResponse)
	})
}

func FuzzDecodeCommandResult(f *testing.F) {
	id := strings.Repeat("0a", 16)
	seed(f, CommandResult{V: 1, CommandID: id, Result: CommandRefused, Reason: "busy"})
	seed(f, CommandResult{V: 1, CommandID: id, Result: CommandDone, Key: &KeyAnswer{X25519Public: make([]byte, publicKeyBytes), Signature: make([]byte, signatureBytes)}})
	f.Fuzz(func(t *testing.T, payload []byte) { fuzzDecoder(t, payload, DecodeCommandResult) })
}

func FuzzDecodeMetricsAck(f *testing.F) {
	seed(f, MetricsAck{V: 1, Run: RunID{1}, Seq: 7, MAC: make([]byte, 32)})
	f.Fuzz(func(t *testing.T, payload []byte) { fuzzDecoder(t, payload, DecodeMetricsAck) })
}

// FuzzNameMetrics holds that a name is one that an acknowledgement can carry,
// and that every message which is data has its own.
func FuzzNameMetrics(f *testing.F) {
	seed(f, goodMetrics())
	f.Add([]byte(`{"run":"` + RunID{1}.String() + `","samples":[{"seq":9223372036854775808}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		run, lastSeq, ok := NameMetrics(payload)
		if ok {
			ack, err := json.Marshal(MetricsAck{V: ProtocolVersion, Run: run, Seq: lastSeq, MAC: make([]byte, 32)})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := DecodeMetricsAck(ack); err != nil || back.Run != run || back.Seq != lastSeq {
				t.Errorf("%q is named %v %d, which no acknowledgement carries: %v", payload, run, lastSeq, err)
			}
		}
		if m, err := DecodeMetrics(payload); err == nil && (!ok || m.Run != run || m.Samples[len(m.Samples)-1].Seq != lastSeq) {
			t.Errorf("%q is data, and named %v %d %t", payload, run, lastSeq, ok)
		}
	})
}
