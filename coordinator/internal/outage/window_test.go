package outage_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/outage"
)

func TestWindowsInARange(t *testing.T) {
	pool := dbtest.New(t)
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	stored := map[string]outage.Window{}
	for _, w := range []struct {
		name     string
		cause    outage.Cause
		from, to int
	}{{"late", outage.Broker, 30, 40}, {"early", outage.Database, 0, 10}, {"overlapping", outage.Coordinator, 5, 35}} {
		got, err := outage.Record(t.Context(), pool, w.cause, at(w.from), at(w.to))
		if err != nil {
			t.Fatal(err)
		}
		stored[w.name] = got
	}
	for _, c := range []struct {
		name     string
		from, to int
		want     []string
	}{
		{"all, earliest first", -10, 60, []string{"early", "overlapping", "late"}},
		{"inside one", 12, 13, []string{"overlapping"}},
		{"ends are open", 10, 30, []string{"overlapping"}},
		{"across an end", 9, 30, []string{"early", "overlapping"}},
		{"before", -10, 0, nil},
		{"after", 40, 60, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := outage.Windows(t.Context(), pool, at(c.from), at(c.to))
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("got %+v, %v, want %v", got, err, c.want)
			}
			for i, name := range c.want {
				if got[i] != stored[name] {
					t.Errorf("window %d is %+v, want %+v", i, got[i], stored[name])
				}
			}
		})
	}
}

func TestRecordRefusesNonsense(t *testing.T) {
	pool := dbtest.New(t)
	if _, err := outage.Record(t.Context(), pool, outage.Broker, noon, noon); err == nil {
		t.Error("an empty window was recorded")
	}
	if _, err := outage.Record(t.Context(), pool, "weather", noon, noon.Add(time.Second)); err == nil {
		t.Error("an unknown cause was recorded")
	}
}
