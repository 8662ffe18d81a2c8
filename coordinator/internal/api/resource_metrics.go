package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/sample"
)

func (s *server) resourceMetricOperations() {
	register(s, operation{
		id: "getResourceMetrics", method: http.MethodGet, path: basePath + "/nodes/{node_id}/resources/metrics", tag: "resources",
		role: access.Viewer, owner: true, summary: "Read a node's resources over time",
		description: "One point for each bucket of the granularity from start_time until end_time, as far as it is over; at most 2000. " +
			"Without samples it is a gap: samples is 0 and figures is null. " +
			"A figure is null where the machine did not say. Of a size that hardly changes and of a counter only last is known; " +
			"a counter's rate (in_mbps and out_mbps are in 1e6 bit/s, disk throughput in 1e6 byte/s) has only avg, over the time since " +
			"the bucket before: null after a gap and after a restart of the machine.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleMetrics(),
	}, s.getResourceMetrics)
}

type metricsInput struct {
	NodeInput
	MetricType  string              `query:"metric_type" required:"true" enum:"cpu,memory,disk,network,gpu,throttle,board" doc:"Which figures."`
	Granularity string              `query:"granularity" enum:"1m,5m,15m,1h" doc:"Length of the buckets; without it the finest that gives at most 500 points and is still kept."`
	StartTime   optional[time.Time] `query:"start_time" doc:"Beginning, inclusive; without it an hour before end_time."`
	EndTime     optional[time.Time] `query:"end_time" doc:"End, exclusive; without it now."`
}

type resourceMetricsBody struct {
	NodeID        string          `json:"node_id"`
	MetricType    string          `json:"metric_type" enum:"cpu,memory,disk,network,gpu,throttle,board"`
	Granularity   string          `json:"granularity" enum:"1m,5m,15m,1h"`
	StartTime     time.Time       `json:"start_time" doc:"Beginning of the first bucket."`
	EndTime       time.Time       `json:"end_time" doc:"End of the last bucket."`
	CompleteUntil time.Time       `json:"complete_until" doc:"Up to here every sample that came is counted; later points may still change."`
	KeptSince     time.Time       `json:"kept_since" doc:"Before it there is nothing of this granularity any more."`
	DataPoints    []dataPointBody `json:"data_points" nullable:"false"`
}

type dataPointBody struct {
	Timestamp time.Time   `json:"timestamp" doc:"Beginning of the bucket."`
	Samples   int         `json:"samples"`
	Figures   figuresBody `json:"figures" doc:"By field; null in a gap."`
}

func (in *metricsInput) query(now time.Time) sample.Query {
	q := sample.Query{Subject: sample.Subject(in.MetricType), Granularity: sample.Granularity(in.Granularity), To: now}
	given(&q.To, in.EndTime.pointer())
	q.From = q.To.Add(-time.Hour)
	given(&q.From, in.StartTime.pointer())
	return q
}

// Resolve asks the noun.
func (in *metricsInput) Resolve(h huma.Context) []error {
	s := serverOf(h)
	return complaints("query", s.Samples.Check(in.query(s.Now())))
}

func (s *server) getResourceMetrics(ctx context.Context, in *metricsInput) (*answer[resourceMetricsBody], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	q := in.query(s.Now())
	series, err := s.Samples.History(ctx, n.No, q)
	if err != nil {
		return nil, err
	}
	return answered(shapeMetrics(n.ID, q.Subject, series))
}

func shapeMetrics(nodeID string, subject sample.Subject, v sample.Series) resourceMetricsBody {
	return resourceMetricsBody{
		NodeID: nodeID, MetricType: string(subject), Granularity: string(v.Granularity), StartTime: v.From, EndTime: v.To,
		CompleteUntil: v.CompleteUntil, KeptSince: v.KeptSince,
		DataPoints: shape(v.Points, func(p sample.Point) dataPointBody {
			return dataPointBody{p.At, p.Samples, figuresBody{v.Fields, p.Stats}}
		}),
	}
}

func exampleStats() []sample.Stats {
	known := func(v float64) sample.Number { return sample.Number{Value: v, Known: true} }
	return []sample.Stats{{Min: known(8), Avg: known(12.5), Max: known(31), Last: known(11)}}
}

func exampleRange() sample.Range {
	return sample.Range{
		Granularity: sample.OneMinute, From: exampleTime().Add(-time.Hour), To: exampleTime(), Samples: 360,
		Fields: []sample.Field{{Subject: sample.CPU, Name: "usage_percent"}}, Stats: exampleStats(),
	}
}

func exampleMetrics() resourceMetricsBody {
	from := exampleTime().Add(-10 * time.Minute)
	return shapeMetrics("node_4f1c2a", sample.CPU, sample.Series{
		Granularity: sample.FiveMinutes, From: from, To: exampleTime(), CompleteUntil: exampleTime(), KeptSince: exampleTime().AddDate(0, 0, -180),
		Fields: []sample.Field{{Subject: sample.CPU, Name: "usage_percent"}},
		Points: []sample.Point{{At: from, Samples: 30, Stats: exampleStats()}, {At: from.Add(5 * time.Minute)}},
	})
}
