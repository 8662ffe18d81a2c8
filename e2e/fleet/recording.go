package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"lucid.internal/shared/wire"
)

// ReadRecording reads samples, one JSON object a line as in the "samples" of a
// metrics message, oldest first. Sequence numbers and times are not used.
func ReadRecording(r io.Reader) ([]wire.Sample, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, wire.MaxMessageBytes)
	var all []wire.Sample
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var s wire.Sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d is no sample: %w", number, err)
		}
		all = append(all, s)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no samples: a recording has one JSON object a line")
	}
	return all, nil
}

// replayed goes round in a recording, from a place of its own.
type replayed struct {
	samples []wire.Sample
	at      int
	base    wire.Network // what earlier rounds added to the counters
}

func (r *replayed) step() {
	if r.at++; r.at < len(r.samples) {
		return
	}
	r.at = 0
	if last := r.samples[len(r.samples)-1].Network; last != nil {
		add(&r.base, last)
	}
}

func (r *replayed) sample() wire.Sample {
	s := r.samples[r.at]
	if s.Network != nil {
		network := *s.Network
		add(&network, &r.base)
		s.Network = &network
	}
	return s
}

func (r *replayed) reboot() { r.base = wire.Network{} }

func add(to *wire.Network, n *wire.Network) {
	to.TotalBytesIn += n.TotalBytesIn
	to.TotalBytesOut += n.TotalBytesOut
	to.PacketsIn += n.PacketsIn
	to.PacketsOut += n.PacketsOut
	to.ErrorsIn += n.ErrorsIn
	to.ErrorsOut += n.ErrorsOut
}
