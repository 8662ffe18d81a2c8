package main

import (
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
	servers, err := harness.Family(server)
	if err != nil {
		return err
	}
	var reading [3]time.Duration
	for i, pids := range [][]int{{c.PID()}, servers, {os.Getpid()}} {
		for _, pid := range pids {
			used, err := harness.CPUTime(pid)
			if err != nil {
				return err
			}
			reading[i] += used
		}
	}
	m.readings = append(m.readings, reading)
	return nil
}

// perSample shares the time between the first and the last reading out.
func (m *meter) perSample(samples uint64) string {
	first, last := m.readings[0], m.readings[len(m.readings)-1]
	micros := func(i int) float64 { return float64(last[i]-first[i]) / 1e3 / float64(max(samples, 1)) }
	return fmt.Sprintf("coordinator %.1f µs, Postgres %.1f µs, client %.1f µs", micros(0), micros(1), micros(2))
}
