package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/shared/wire"
)

func (s *server) resourceOperations() {
	register(s, operation{
		id: "getResources", method: http.MethodGet, path: basePath + "/nodes/{node_id}/resources", tag: "resources", role: access.Viewer, owner: true,
		summary: "Read a node's newest sample",
		description: "What the machine did at timestamp, by its own clock. A subject that the machine cannot give is null and absent says why; " +
			"before the first sample the answer is 404. network counts from the machine's start; disk throughput is in 1e6 byte/s.",
		errors: []fault.Code{fault.NodeNotFound, fault.OtherNotFound}, example: exampleResources(),
	}, s.getResources)
	s.resourceSubjectOperations()
	s.resourceMetricOperations()
}

// ReadingBody says whose newest sample it is, and of when. It is exported like all that others embed.
type ReadingBody struct {
	NodeID     string    `json:"node_id"`
	Timestamp  time.Time `json:"timestamp"`
	ReceivedAt time.Time `json:"received_at"`
}

type resourcesBody struct {
	ReadingBody
	CPU      orNull[wire.CPU]      `json:"cpu"`
	Memory   orNull[wire.Memory]   `json:"memory"`
	Disk     orNull[wire.Disk]     `json:"disk"`
	Network  orNull[wire.Network]  `json:"network"`
	GPU      orNull[wire.GPU]      `json:"gpu"`
	Throttle orNull[wire.Throttle] `json:"throttle" doc:"What the firmware of a Raspberry Pi holds back."`
	Board    orNull[wire.Board]    `json:"board" doc:"The fan, and the power supply of a Raspberry Pi 5."`
	Absent   map[string]string     `json:"absent" doc:"Subject and why the machine cannot give it."`
	Range    orNull[timeRangeBody] `json:"range" doc:"null without time_range."`
}

type resourcesInput struct {
	NodeInput
	TimeRangeInput
}

// reading is a node's newest sample, and its range where one was asked for.
type reading struct {
	ReadingBody
	sample wire.Sample
	over   orNull[timeRangeBody]
}

// read reads what every operation on resources shows; subject "" is all.
func (s *server) read(ctx context.Context, in *resourcesInput, subject sample.Subject) (r reading, err error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return r, err
	}
	v, received, err := s.Samples.Latest(ctx, n.No)
	if err != nil {
		return r, err
	}
	r = reading{ReadingBody: shapeReading(n.ID, v, received), sample: v}
	if in.TimeRange != "" {
		over, err := s.Samples.Over(ctx, n.No, subject, lengthOf(in.TimeRange))
		if err != nil {
			return r, err
		}
		r.over.value = shapeRange(in.TimeRange, over)
	}
	return r, nil
}

func (s *server) getResources(ctx context.Context, in *resourcesInput) (*answer[resourcesBody], error) {
	r, err := s.read(ctx, in, "")
	if err != nil {
		return nil, err
	}
	return answered(shapeResources(r))
}

func shapeReading(nodeID string, v wire.Sample, received time.Time) ReadingBody {
	return ReadingBody{NodeID: nodeID, Timestamp: time.UnixMilli(v.AtMs).UTC(), ReceivedAt: received.UTC()}
}

func shapeResources(r reading) resourcesBody {
	v := r.sample
	absent := v.Absent
	if absent == nil {
		absent = map[string]string{}
	}
	return resourcesBody{
		ReadingBody: r.ReadingBody, CPU: orNull[wire.CPU]{v.CPU}, Memory: orNull[wire.Memory]{v.Memory}, Disk: orNull[wire.Disk]{v.Disk},
		Network: orNull[wire.Network]{v.Network}, GPU: orNull[wire.GPU]{v.GPU}, Throttle: orNull[wire.Throttle]{v.Throttle}, Board: orNull[wire.Board]{v.Board}, Absent: absent, Range: r.over,
	}
}

func exampleResources() resourcesBody { return shapeResources(exampleReading()) }

func exampleReading() reading {
	usage, celsius := 12.5, 48.2
	v := wire.Sample{
		AtMs: exampleTime().UnixMilli(),
		CPU: &wire.CPU{
			UsagePercent: &usage, Cores: 4, LoadAverage: [3]float64{.4, .3, .2}, TemperatureCelsius: &celsius, PerCore: []float64{20, 10, 10, 10},
		},
		Memory: &wire.Memory{TotalBytes: 4 << 30, UsedBytes: 1 << 30, FreeBytes: 2 << 30, AvailableBytes: 3 << 30, CachedBytes: 1 << 30},
		Disk: &wire.Disk{
			TotalBytes: 32 << 30, UsedBytes: 8 << 30, FreeBytes: 24 << 30,
			Filesystems: []wire.Filesystem{{Mount: "/", TotalBytes: 32 << 30, UsedBytes: 8 << 30, FreeBytes: 24 << 30}},
		},
		Network: &wire.Network{
			Interfaces: []wire.Interface{{Name: "eth0", BytesIn: 123456, BytesOut: 65432}}, TotalBytesIn: 123456, TotalBytesOut: 65432,
		},
		Throttle: &wire.Throttle{UnderVoltage: new(false), Capped: new(false), Throttled: new(false), SoftLimit: new(false), UnderVoltageEvents: new(uint64(0))},
		Absent:   map[string]string{"gpu": "no counters on this machine", "board": "it tells of no fan and no power chip"},
	}
	return reading{ReadingBody: shapeReading("node_4f1c2a", v, exampleTime().Add(time.Second)), sample: v}
}
