package sample

import (
	"math"
	"strconv"
	"time"
)

// Number is a figure, or the absence of one.
type Number struct {
	Value float64
	Known bool
}

func number(v float64) Number { return Number{v, true} }

// AppendJSON writes null for what is not known; never 0. What is not whole was
// measured as a float32 and is written with its digits.
func (n Number) AppendJSON(b []byte) []byte {
	switch {
	case !n.Known:
		return append(b, "null"...)
	case n.Value == math.Trunc(n.Value):
		return strconv.AppendFloat(b, n.Value, 'f', 0, 64)
	}
	return strconv.AppendFloat(b, n.Value, 'g', -1, 32)
}

// Stats of one field in a span of time. Of a counter and of a size that hardly
// changes only Last is known, of a rate only Avg.
type Stats struct {
	Min, Avg, Max, Last Number
}

// Field is a figure of a subject, with its unit in the name.
type Field struct {
	Subject Subject
	Name    string
}

// Point is one bucket; without samples it is a gap, and Stats is empty.
type Point struct {
	At      time.Time // beginning of the bucket
	Samples int
	Stats   []Stats // one a field

	newestAt time.Time
}

// fieldsOf names what points of these metrics hold: each metric, and the rate
// of each counter at the end.
func fieldsOf(list []metric) []Field {
	fields := make([]Field, 0, len(list))
	for _, m := range list {
		fields = append(fields, Field{m.subject, m.field})
	}
	for _, m := range list {
		if m.perSecond != "" {
			fields = append(fields, Field{m.subject, m.perSecond})
		}
	}
	return fields
}

// addRates appends to each point the mean rate of every counter since the
// bucket before. It is unknown after a gap, and where the counter fell: then
// the machine has started anew in between.
func addRates(points []Point, list []metric) {
	for i := range points {
		p := &points[i]
		for k, m := range list {
			if m.perSecond == "" {
				continue
			}
			rate := Number{}
			if i > 0 && p.Samples > 0 && points[i-1].Samples > 0 {
				rate = rateOf(points[i-1].Stats[k].Last, p.Stats[k].Last, p.newestAt.Sub(points[i-1].newestAt), m.factor)
			}
			if p.Samples > 0 {
				p.Stats = append(p.Stats, Stats{Avg: rate})
			}
		}
	}
}

func rateOf(before, after Number, passed time.Duration, factor float64) Number {
	if !before.Known || !after.Known || after.Value < before.Value || passed <= 0 {
		return Number{}
	}
	return number((after.Value - before.Value) / passed.Seconds() * factor)
}

// withGaps gives a point for each bucket from from until to; points are in
// order and lie in between.
func withGaps(points []Point, bucket time.Duration, from, to time.Time) []Point {
	all := make([]Point, 0, max(0, to.Sub(from)/bucket))
	for at := from; at.Before(to); at = at.Add(bucket) {
		if len(points) > 0 && points[0].At.Equal(at) {
			all, points = append(all, points[0]), points[1:]
			continue
		}
		all = append(all, Point{At: at})
	}
	return all
}

// fold joins points into one: a mean weighs by samples; the least and the
// greatest of a rate are those of its means.
func fold(points []Point, fields int) (samples int, stats []Stats) {
	stats = make([]Stats, fields)
	weights := make([]float64, fields)
	for _, p := range points {
		samples += p.Samples
		for i, v := range p.Stats {
			s := &stats[i]
			if v.Avg.Known {
				low, high := v.Min, v.Max
				if !low.Known {
					low, high = v.Avg, v.Avg
				}
				if !s.Min.Known || low.Value < s.Min.Value {
					s.Min = low
				}
				if !s.Max.Known || high.Value > s.Max.Value {
					s.Max = high
				}
				weight := float64(p.Samples)
				weights[i] += weight
				s.Avg = number(s.Avg.Value + (v.Avg.Value-s.Avg.Value)*weight/weights[i])
			}
			if v.Last.Known {
				s.Last = v.Last
			}
		}
	}
	return samples, stats
}

// Points that are wanted when nobody asks for a granularity, and allowed.
const (
	wantedPoints = 500
	MaxPoints    = 2000
)

// choose gives the finest granularity that still covers a span with a number
// of points that can be drawn; the longest one when none does.
func choose(from, to, now time.Time, keep Retention) Granularity {
	for _, g := range Granularities() {
		if to.Sub(from) <= wantedPoints*g.Length() && !from.Before(now.Add(-keep.Of(g))) {
			return g
		}
	}
	return OneHour
}
