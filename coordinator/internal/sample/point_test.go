package sample

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestNumberIsWrittenAsMeasured(t *testing.T) {
	for want, n := range map[string]Number{
		"null": {}, "0": number(0), "12.3": number(float64(float32(12.3))), "9007199254740991": number(1<<53 - 1), "-4": number(-4),
		"0.1": number(float64(float32(0.1))), "1e-07": number(1e-7), "100000000000": number(1e11),
	} {
		if got := string(n.AppendJSON(nil)); got != want || !json.Valid([]byte(got)) {
			t.Errorf("%v is written %s, want %s", n, got, want)
		}
	}
}

func lastOf(v float64) []Stats { return []Stats{{Last: number(v)}} }

func TestRates(t *testing.T) {
	list := []metric{{subject: Network, field: "total_bytes_in", perSecond: "in_mbps", factor: 8e-6}}
	point := func(minute int, second time.Duration, v ...float64) Point {
		p := Point{At: at(10, minute), newestAt: at(10, minute).Add(second * time.Second)}
		if len(v) > 0 {
			p.Samples, p.Stats = 6, lastOf(v[0])
		}
		return p
	}
	points := []Point{
		point(0, 50, 1_000_000), point(1, 40, 7_250_000), // 6.25 MB in 50 s are 1 Mbit/s
		point(2, 0), point(3, 50, 9_000_000), // a gap
		point(4, 50, 100), point(5, 50, 100), // the machine has started anew; nothing came
	}
	addRates(points, list)
	want := []Number{{}, number(1), {}, {}, {}, number(0)}
	for i, p := range points {
		switch {
		case p.Samples == 0 && len(p.Stats) != 0:
			t.Errorf("minute %d is a gap with figures %v", i, p.Stats)
		case p.Samples > 0 && !reflect.DeepEqual(p.Stats[1], Stats{Avg: want[i]}):
			t.Errorf("minute %d: rate %v, want %v", i, p.Stats[1], want[i])
		}
	}
	if got := fieldsOf(list); !reflect.DeepEqual(got, []Field{{Network, "total_bytes_in"}, {Network, "in_mbps"}}) {
		t.Errorf("fields %v", got)
	}
}

func TestWithGaps(t *testing.T) {
	points := []Point{{At: at(10, 5), Samples: 1}, {At: at(10, 15), Samples: 2}}
	got := withGaps(points, 5*time.Minute, at(10, 0), at(10, 25))
	want := []Point{{At: at(10, 0)}, {At: at(10, 5), Samples: 1}, {At: at(10, 10)}, {At: at(10, 15), Samples: 2}, {At: at(10, 20)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFold(t *testing.T) {
	points := []Point{
		{Samples: 2, Stats: []Stats{{number(1), number(2), number(3), number(3)}, {Avg: number(10)}, {Last: number(7)}}},
		{},
		{Samples: 6, Stats: []Stats{{number(0), number(6), number(9), number(4)}, {Avg: number(2)}, {}}},
		{Samples: 3, Stats: []Stats{{}, {}, {}}}, // the machine did not say
	}
	samples, got := fold(points, 3)
	want := []Stats{
		{number(0), number(5), number(9), number(4)},
		{Min: number(2), Avg: number(4), Max: number(10)},
		{Last: number(7)},
	}
	if samples != 11 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d samples %v, want 11 %v", samples, got, want)
	}
}

func TestChoose(t *testing.T) {
	keep := Retention{}.withDefaults()
	for _, c := range []struct {
		name         string
		ago, forTime time.Duration
		want         Granularity
	}{
		{"an hour", time.Hour, time.Hour, OneMinute},
		{"500 minutes", 500 * time.Minute, 500 * time.Minute, OneMinute},
		{"501 minutes", 501 * time.Minute, 501 * time.Minute, FiveMinutes},
		{"a day", day, day, FiveMinutes},
		{"five days", 5 * day, 5 * day, FifteenMinutes},
		{"a month", 30 * day, 30 * day, OneHour},
		{"a year", 365 * day, 365 * day, OneHour},
		{"an hour whose minutes are gone", 31 * day, time.Hour, FiveMinutes},
		{"an hour of last year", 365 * day, time.Hour, OneHour},
		{"an hour before all", 3000 * day, time.Hour, OneHour},
	} {
		from := noon.Add(-c.ago)
		if got := choose(from, from.Add(c.forTime), noon, keep); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
