package sample

import (
	"cmp"
	"fmt"
	"time"
)

// Granularity is a kind of rollup: how long its buckets are.
type Granularity string

// The granularities, finest first.
const (
	OneMinute      Granularity = "1m"
	FiveMinutes    Granularity = "5m"
	FifteenMinutes Granularity = "15m"
	OneHour        Granularity = "1h"
)

// Granularities lists them, finest first.
func Granularities() []Granularity {
	return []Granularity{OneMinute, FiveMinutes, FifteenMinutes, OneHour}
}

// Length of a bucket. Buckets begin at whole multiples of it since 1970, so a
// day in UTC always begins with one.
func (g Granularity) Length() time.Duration {
	switch g {
	case OneMinute:
		return time.Minute
	case FiveMinutes:
		return 5 * time.Minute
	case FifteenMinutes:
		return 15 * time.Minute
	}
	return time.Hour
}

func (g Granularity) seconds() int32 { return int32(g.Length() / time.Second) }
func (g Granularity) table() string  { return "sample_" + string(g) }

// Retention says how long what is kept; zero values are DefaultRetention's.
type Retention struct {
	// Raw is of single samples, and how far back a node that was offline may
	// deliver them.
	Raw time.Duration
	// The rollups.
	OneMinute, FiveMinutes, FifteenMinutes, OneHour time.Duration
}

// DefaultRetention is a week of single samples, and two years of hours.
func DefaultRetention() Retention {
	return Retention{7 * day, 30 * day, 180 * day, 180 * day, 730 * day}
}

func (r Retention) withDefaults() Retention {
	d := DefaultRetention()
	return Retention{
		cmp.Or(r.Raw, d.Raw), cmp.Or(r.OneMinute, d.OneMinute), cmp.Or(r.FiveMinutes, d.FiveMinutes),
		cmp.Or(r.FifteenMinutes, d.FifteenMinutes), cmp.Or(r.OneHour, d.OneHour),
	}
}

// Of is how long rollups of a granularity are kept.
func (r Retention) Of(g Granularity) time.Duration {
	switch g {
	case OneMinute:
		return r.OneMinute
	case FiveMinutes:
		return r.FiveMinutes
	case FifteenMinutes:
		return r.FifteenMinutes
	}
	return r.OneHour
}

const day = 24 * time.Hour

// series is a partitioned table. Single samples and minutes lie in partitions
// of a day. What is kept for months lies in partitions of a month: a query that
// Postgres has planned once locks every partition there is, and two years of
// days would be more locks than it has.
type series struct {
	table   string
	monthly bool
	keep    time.Duration
}

// all are the tables that are partitioned, the single samples first.
func (r Retention) all() []series {
	list := []series{r.raw()}
	for _, g := range Granularities() {
		list = append(list, r.series(g))
	}
	return list
}

func (r Retention) raw() series { return series{table: "sample", keep: r.Raw} }

func (r Retention) series(g Granularity) series {
	return series{table: g.table(), monthly: g != OneMinute, keep: r.Of(g)}
}

// begin is when the partition that holds t begins.
func (s series) begin(t time.Time) time.Time {
	t = t.UTC()
	if s.monthly {
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return t.Truncate(day)
}

// end is when the partition that begins at begin ends.
func (s series) end(begin time.Time) time.Time {
	if s.monthly {
		return begin.AddDate(0, 1, 0)
	}
	return begin.Add(day)
}

func (s series) layout() string {
	if s.monthly {
		return "200601"
	}
	return "20060102"
}

func (s series) partition(begin time.Time) string {
	return fmt.Sprintf("%s_%s", s.table, begin.Format(s.layout()))
}

// beginOf is the inverse of partition; ok is false for a name not made here.
func (s series) beginOf(partition string) (begin time.Time, ok bool) {
	prefix := s.table + "_"
	if len(partition) <= len(prefix) || partition[:len(prefix)] != prefix {
		return time.Time{}, false
	}
	begin, err := time.Parse(s.layout(), partition[len(prefix):])
	return begin, err == nil
}
