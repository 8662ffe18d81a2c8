package alert

import (
	"errors"
	"testing"
	"time"
)

// A leader that was cut off or stood still after its look finds its successor's
// alerts when it goes on: it writes nothing of what it found, whatever came since.
func TestLeaderThatWasOvertakenWritesNothing(t *testing.T) {
	const fired, ended = "node_a pool_home cpu firing warning", "node_a pool_home cpu resolved warning"
	for name, c := range map[string]struct {
		before float64   // percent at the look before; 0: there was none
		found  float64   // by the leader, in its last look
		since  []float64 // what its successor found, look by look
		events []string
		told   []string
	}{
		"an alert that fires": {
			found: 93, since: []float64{93}, events: []string{fired}, told: []string{"node_a cpu firing warning"},
		},
		"an alert that fired and ended": {
			found: 93, since: []float64{93, 20}, events: []string{fired, ended}, told: []string{"node_a cpu firing warning", "node_a cpu resolved warning"},
		},
		"an alert that ends": {
			before: 93, found: 20, since: []float64{20}, events: []string{fired, ended},
			told: []string{"node_a cpu firing warning", "node_a cpu resolved warning"},
		},
		"an alert that ended and fires again": {
			before: 93, found: 20, since: []float64{20, 93}, events: []string{fired, ended, fired},
			told: []string{"node_a cpu firing warning", "node_a cpu resolved warning", "node_a cpu firing warning"},
		},
		"an alert that becomes critical": {
			before: 93, found: 99, since: []float64{99}, events: []string{fired, "node_a pool_home cpu severity critical"},
			told: []string{"node_a cpu firing warning", "node_a cpu firing critical"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.node("node_a")
			f.exec(`INSERT INTO alert_threshold (kind, enabled, warning, critical, hysteresis, updated_at) VALUES ('cpu', true, 90, 98, 5, now())`)
			if c.before > 0 {
				f.cpu("node_a", c.before)
				f.after(time.Minute)
			}
			f.cpu("node_a", c.found)
			overtaken := f.watch
			found, err := overtaken.look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f.watch = NewWatch(f.Store) // of the successor
			for _, percent := range c.since {
				f.time = f.time.Add(time.Minute)
				f.cpu("node_a", percent)
				f.run()
			}
			if err := overtaken.write(t.Context(), found); !errors.Is(err, errOvertaken) {
				t.Errorf("it writes: %v", err)
			}
			f.watch = overtaken
			f.run() // it goes on from the tables
			f.want("events", f.events(), c.events...)
			f.want("told", f.told, c.told...)
		})
	}
}

// A leader stands still before it hands over what it wrote, and its successor finds
// that over: nobody is told that something began of whose end nobody is told.
func TestLeaderThatWasOvertakenTellsNothing(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.exec(`INSERT INTO alert_threshold (kind, enabled, warning, critical, hysteresis, updated_at) VALUES ('cpu', true, 90, 98, 5, now())`)
	f.cpu("node_a", 93)
	overtaken, successor := f.watch, NewWatch(f.Store)
	if err := overtaken.lookAndWrite(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.time = f.time.Add(time.Minute)
	f.cpu("node_a", 20)
	found, err := successor.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := overtaken.tell(t.Context()); !errors.Is(err, errOvertaken) {
		t.Errorf("it tells: %v", err)
	}
	if err := successor.write(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	f.watch = successor
	f.after(time.Minute)
	f.want("told", f.told)
}
