package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/sample"
)

// figure is a measured number; null where nothing is known.
type figure sample.Number

// MarshalJSON writes the number as it was measured.
func (f figure) MarshalJSON() ([]byte, error) { return sample.Number(f).AppendJSON(nil), nil }

// Schema is a number or null.
func (figure) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeNumber, Format: "double", Nullable: true}
}

// statsBody is how a sample.Stats looks; figuresBody writes it by hand.
type statsBody struct {
	Min  figure `json:"min"`
	Avg  figure `json:"avg"`
	Max  figure `json:"max"`
	Last figure `json:"last"`
}

// figuresBody is an object of a statsBody a field; null in a gap.
type figuresBody struct {
	fields []sample.Field
	stats  []sample.Stats
}

// MarshalJSON is by hand: a chart has thousands of these numbers.
func (f figuresBody) MarshalJSON() ([]byte, error) {
	if len(f.stats) == 0 {
		return []byte("null"), nil
	}
	b := append(make([]byte, 0, 96*len(f.stats)), '{')
	for i, s := range f.stats {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.fields[i].Name...), `":{"min":`...)
		b = append(s.Min.AppendJSON(b), `,"avg":`...)
		b = append(s.Avg.AppendJSON(b), `,"max":`...)
		b = append(s.Max.AppendJSON(b), `,"last":`...)
		b = append(s.Last.AppendJSON(b), '}')
	}
	return append(b, '}'), nil
}

// Schema is an object whose keys are field names.
func (figuresBody) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true,
		AdditionalProperties: r.Schema(reflect.TypeFor[statsBody](), true, "Stats"),
	}
}

// only keeps the fields that are wanted.
func (f figuresBody) only(wanted func(sample.Field) bool) figuresBody {
	var kept figuresBody
	for i, field := range f.fields {
		if wanted(field) {
			kept.fields, kept.stats = append(kept.fields, field), append(kept.stats, f.stats[i])
		}
	}
	return kept
}

// TimeRangeInput is how far back means reach.
type TimeRangeInput struct {
	TimeRange string `query:"time_range" enum:"1h,6h,24h,7d,30d" doc:"Adds means, least and greatest figures of this time, as range."`
}

// lengthOf reads a value of time_range.
func lengthOf(timeRange string) time.Duration {
	return map[string]time.Duration{
		"1h": time.Hour, "6h": 6 * time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour,
	}[timeRange]
}

type timeRangeBody struct {
	TimeRange   string                 `json:"time_range" enum:"1h,6h,24h,7d,30d"`
	Granularity string                 `json:"granularity" enum:"1m,5m,15m,1h" doc:"Of the rollups that it was made of."`
	StartTime   time.Time              `json:"start_time"`
	EndTime     time.Time              `json:"end_time" doc:"End of the newest bucket that is over."`
	Samples     int                    `json:"samples"`
	Figures     map[string]figuresBody `json:"figures" doc:"By subject and field. A mean weighs each bucket by its samples; the least and greatest of a rate are those of the buckets' means."`
}

func shapeRange(timeRange string, r sample.Range) *timeRangeBody {
	b := &timeRangeBody{
		TimeRange: timeRange, Granularity: string(r.Granularity), StartTime: r.From, EndTime: r.To, Samples: r.Samples,
		Figures: make(map[string]figuresBody),
	}
	for i, f := range r.Fields {
		of := b.Figures[string(f.Subject)]
		of.fields, of.stats = append(of.fields, f), append(of.stats, r.Stats[i])
		b.Figures[string(f.Subject)] = of
	}
	return b
}
