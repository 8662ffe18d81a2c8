package wire

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
)

// MetricsAck tells a node that a metrics message was taken for good: its
// samples are committed, or kept as a dead letter. It is published where the
// broker's own acknowledgement does not say so. MAC is made by package proof
// under the node's challenge key over the other fields and the node's id.
type MetricsAck struct {
	V   int    `json:"v"`
	Run RunID  `json:"run"`
	Seq uint64 `json:"seq"` // of the message's last sample
	MAC []byte `json:"mac"` // base64 in JSON
}

// DecodeMetricsAck parses and checks the form; the MAC is for package proof.
func DecodeMetricsAck(payload []byte) (*MetricsAck, error) {
	a := new(MetricsAck)
	if err := decode("an acknowledgement of metrics", payload, a); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(a.V), exactly("mac", a.MAC, 32)); err != nil {
		return nil, err
	}
	if (a.Run == RunID{}) || a.Seq == 0 {
		return nil, errors.New("run or seq is missing")
	}
	return a, nil
}

// NameMetrics reads by which run and last sequence number a metrics message is
// acknowledged, also of one that is otherwise no data: its sender must be able
// to forget it. ok is false when the message does not even say that.
func NameMetrics(payload []byte) (run RunID, lastSeq uint64, ok bool) {
	var m struct {
		Run     RunID `json:"run"`
		Samples []struct {
			Seq uint64 `json:"seq"`
		} `json:"samples"`
	}
	if json.Unmarshal(payload, &m) != nil || m.Run == (RunID{}) || len(m.Samples) == 0 {
		return RunID{}, 0, false
	}
	lastSeq = m.Samples[len(m.Samples)-1].Seq
	return m.Run, lastSeq, lastSeq > 0 && lastSeq <= math.MaxInt64
}
