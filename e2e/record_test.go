package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// TestRecordedNodeIsReplayed records what a node sent from the database into a file,
// and has simulated nodes play the file: what is stored of them is what the file says,
// to the value, round after round.
func TestRecordedNodeIsReplayed(t *testing.T) {
	l := start(t, harness.Options{})
	n := l.node()
	sent := variedSamples(3)
	if err := l.connect(n).Send(within(t, patience), messageOf(t, n, sent)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dataDir(t), "recording")
	l.record(n.ID, path, 3)
	recording := readRecording(t, path)
	for i := range sent {
		if valuesOf(t, recording[i]) != valuesOf(t, sent[i]) {
			t.Errorf("sample %d is %s, was sent as %s", i+1, valuesOf(t, recording[i]), valuesOf(t, sent[i]))
		}
	}
	f := l.newFleet(fleet.Config{
		Nodes: 4, Duration: time.Hour, Seed: 3, Recording: recording, Backlog: 20 * time.Second, SampleInterval: time.Second, PublishInterval: time.Second,
	})
	_, end := l.live(f)
	l.await(within(t, patience), "several rounds of the recording", func(context.Context) error {
		nodes := l.count("SELECT count(*) FROM (SELECT FROM sample GROUP BY node_no HAVING count(*) >= 20) AS n")
		return unless(nodes == 4, "of %d nodes", nodes)
	})
	end()
	if err := l.check(f).Err(); err != nil {
		t.Error(err)
	}
	for _, id := range f.NodeIDs(fleet.Honest) {
		path := filepath.Join(dataDir(t), id)
		l.record(id, path, 20)
		comparePlayed(t, readRecording(t, path), sent)
	}
	url, err := l.Database().URL()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Record(within(t, patience), url, "node_nobody", new(bytes.Buffer)); err == nil {
		t.Error("a node that sent nothing was recorded")
	}
	l.stopCleanly()
}

// comparePlayed wants what was stored of a node to be a recording, from some place of
// it on, again and again; counters go on where they ended in the round before.
func comparePlayed(t *testing.T, played, recording []wire.Sample) {
	t.Helper()
	for start := range len(recording) + 1 { // whoever's place is the last begins with a round behind it
		if valuesOf(t, played[0]) != valuesOf(t, playedAs(recording, start)) {
			continue
		}
		for i := range played {
			if want := playedAs(recording, start+i); valuesOf(t, played[i]) != valuesOf(t, want) {
				t.Errorf("sample %d is stored as %s, the recording says %s", i+1, valuesOf(t, played[i]), valuesOf(t, want))
				return
			}
			if i > 0 && played[i].AtMs-played[i-1].AtMs != 1000 {
				t.Errorf("sample %d is %d ms after the one before", i+1, played[i].AtMs-played[i-1].AtMs)
			}
		}
		return
	}
	t.Errorf("%s is nowhere in the recording", valuesOf(t, played[0]))
}

// playedAs is the sample at a place of a recording that goes round.
func playedAs(recording []wire.Sample, place int) wire.Sample {
	s, rounds := recording[place%len(recording)], uint64(place/len(recording))
	network, end := *s.Network, recording[len(recording)-1].Network
	network.TotalBytesIn += rounds * end.TotalBytesIn
	network.TotalBytesOut += rounds * end.TotalBytesOut
	network.PacketsIn += rounds * end.PacketsIn
	network.PacketsOut += rounds * end.PacketsOut
	network.ErrorsIn += rounds * end.ErrorsIn
	network.ErrorsOut += rounds * end.ErrorsOut
	s.Network = &network
	return s
}

// record writes what the database has of a node to a file: so many samples or more.
func (l *lab) record(nodeID, path string, least int) {
	l.t.Helper()
	url, err := l.Database().URL()
	if err != nil {
		l.t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		l.t.Fatal(err)
	}
	defer file.Close()
	if samples, err := fleet.Record(within(l.t, patience), url, nodeID, file); err != nil || samples < least {
		l.t.Fatalf("%d samples of %s, want %d at least; %v", samples, nodeID, least, err)
	}
}

func readRecording(t *testing.T, path string) []wire.Sample {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	samples, err := fleet.ReadRecording(file)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// variedSamples have every value that the database keeps, and no two alike but the
// totals. Fractions are such as it keeps in 32 bits.
func variedSamples(count int) []wire.Sample {
	last := 0
	number := func() uint64 { last++; return uint64(last) }
	fraction := func() *float64 { v := float64(number()) / 4; return &v }
	many := func() *uint64 { v := number() << 20; return &v }
	all := make([]wire.Sample, count)
	for i := range all {
		odd, even := i%2 == 1, i%2 == 0
		all[i] = wire.Sample{
			CPU: &wire.CPU{
				UsagePercent: fraction(), Cores: int(number()), FrequencyMHz: fraction(), TemperatureCelsius: fraction(),
				LoadAverage: [3]float64{*fraction(), *fraction(), *fraction()}, PressurePercent: fraction(),
			},
			Memory: &wire.Memory{
				TotalBytes: 1 << 40, UsedBytes: *many(), FreeBytes: *many(), AvailableBytes: *many(), CachedBytes: *many(),
				SwapTotalBytes: 1 << 39, SwapUsedBytes: *many(), PressurePercent: fraction(),
			},
			Disk: &wire.Disk{
				TotalBytes: 1 << 41, UsedBytes: *many(), FreeBytes: *many(), ReadIOPS: fraction(), WriteIOPS: fraction(),
				ReadThroughputMBps: fraction(), WriteThroughputMBps: fraction(), PressurePercent: fraction(),
			},
			Network: &wire.Network{
				TotalBytesIn: *many(), TotalBytesOut: *many(), PacketsIn: number(), PacketsOut: number(), ErrorsIn: number(), ErrorsOut: number(),
			},
			GPU: &wire.GPU{
				UsagePercent: fraction(), MemoryUsedBytes: many(), MemoryTotalBytes: many(), TemperatureCelsius: fraction(), FrequencyMHz: fraction(),
			},
			Throttle: &wire.Throttle{UnderVoltage: &odd, Throttled: &even},
			Board:    &wire.Board{FanRPM: fraction(), InputVolts: fraction(), PowerWatts: fraction()},
		}
	}
	return all
}

// messageOf carries samples of a node, taken a second apart until now.
func messageOf(t *testing.T, n *harness.Node, samples []wire.Sample) harness.Message {
	t.Helper()
	m := wire.Metrics{V: wire.ProtocolVersion, Run: n.Run, Samples: append([]wire.Sample(nil), samples...)}
	for i := range m.Samples {
		m.Samples[i].Seq, m.Samples[i].AtMs = uint64(i+1), time.Now().Add(time.Duration(i-len(samples))*time.Second).UnixMilli()
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return harness.Message{Seq: m.LastSeq(), Bytes: text}
}

// valuesOf are a sample's, without its number and time.
func valuesOf(t *testing.T, s wire.Sample) string {
	t.Helper()
	s.Seq, s.AtMs = 0, 0
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
