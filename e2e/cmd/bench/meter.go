package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"lucid.internal/e2e/harness"
)

// meter reads who used the processor. What a sample costs says more than a
// rate does when something else runs on the machine.
type meter struct {
	readings [][3]time.Duration // coordinator, Postgres, this client
}

func (m *meter) read(c *harness.Coordinator) error {
	server, err := c.Database().PID()
	if err != nil {
		return err
	}
	coordinator, errC := harness.CPUTime(c.PID())
	postgres, errP := harness.FamilyCPUTime(server)
	client, errS := harness.CPUTime(os.Getpid())
	m.readings = append(m.readings, [3]time.Duration{coordinator, postgres, client})
	return errors.Join(errC, errP, errS)
}

// perSample shares the time between the first and the last reading out.
func (m *meter) perSample(samples uint64) string {
	return fmt.Sprintf("coordinator %.1f µs, Postgres %.1f µs, client %.1f µs", m.micros(0, samples), m.micros(1, samples), m.micros(2, samples))
}

// micros is what a sample cost one of them.
func (m *meter) micros(who int, samples uint64) float64 {
	first, last := m.readings[0], m.readings[len(m.readings)-1]
	return float64(last[who]-first[who]) / 1e3 / float64(max(samples, 1))
}

// used is what coordinator and Postgres needed between the first and the last
// reading.
func (m *meter) used() time.Duration {
	first, last := m.readings[0], m.readings[len(m.readings)-1]
	return last[0] + last[1] - first[0] - first[1]
}
