package main

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	m := meter{readings: [][3]time.Duration{{1000, 2000, 3000}, {1000 + 4000, 2000 + 6000, 3000 + 1000}}}
	if got := m.perSample(2); got != "coordinator 2.0 µs, Postgres 3.0 µs, client 0.5 µs" {
		t.Error(got)
	}
	if got := m.used(); got != 10_000 {
		t.Errorf("coordinator and Postgres used %v", got)
	}
}
