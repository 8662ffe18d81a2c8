package fleet

import (
	"sync"
	"testing"
	"time"
)

// What a fleet was told to lose is not asked for; what nobody served is.
func TestDue(t *testing.T) {
	c := Config{Nodes: 100, SampleInterval: time.Second, PublishInterval: 10 * time.Second}
	for name, test := range map[string]struct {
		pace pace
		want uint64
	}{
		"a minute, the last messages not sent yet": {pace{lived: time.Minute}, 5000},
		"a minute of which nodes were away a part": {pace{lived: time.Minute, excused: 1000 * time.Second}, 4000},
		"less than a publish interval":             {pace{lived: 9 * time.Second}, 0},
		"all of it away":                           {pace{lived: time.Minute, excused: 2 * time.Hour}, 0},
	} {
		if got := c.due(test.pace); got != test.want {
			t.Errorf("%s: %d samples, want %d", name, got, test.want)
		}
	}
}

func TestShortfall(t *testing.T) {
	whole := Report{Enrolment: Enrolment{Nodes: 10}, PeakConnections: 10, Delivered: 900, Due: 1000}
	for name, test := range map[string]struct {
		change func(*Report)
		short  bool
	}{
		"all well":                          {func(*Report) {}, false},
		"nobody connected":                  {func(r *Report) { r.PeakConnections = 0 }, true},
		"one never connected":               {func(r *Report) { r.PeakConnections = 9 }, true},
		"one always away by faults":         {func(r *Report) { r.PeakConnections, r.PeakAway = 9, 1 }, false},
		"a little behind":                   {func(r *Report) { r.Delivered = 500 }, false},
		"far behind":                        {func(r *Report) { r.Delivered = 499 }, true},
		"nothing acknowledged":              {func(r *Report) { r.Delivered = 0 }, true},
		"ended before anybody is connected": {func(r *Report) { r.EndedEarly, r.PeakConnections, r.Delivered = true, 0, 0 }, false},
	} {
		r := whole
		test.change(&r)
		if err := r.Shortfall(); (err != nil) != test.short {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportOfNothingIsAnError(t *testing.T) {
	r := &Report{}
	if r.Err() == nil {
		t.Error("nothing was acknowledged, and nothing is wrong")
	}
	r.group(Honest).Findings.Letters = 1 // of a clock ahead: it was to be refused
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestGaugeKeepsThePeak(t *testing.T) {
	var g gauge
	var all sync.WaitGroup
	for range 1000 {
		all.Go(g.enter)
	}
	all.Wait()
	for range 1000 {
		g.leave()
	}
	g.enter()
	if g.peak.Load() != 1000 || g.now.Load() != 1 {
		t.Errorf("%d at once, %d now", g.peak.Load(), g.now.Load())
	}
}
