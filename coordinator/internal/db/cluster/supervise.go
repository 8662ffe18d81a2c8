package cluster

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

const (
	firstPause    = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	startAttempts = 5
	// steady is how long a server must have run for the pauses to start small
	// again.
	steady = time.Minute
)

// supervise keeps a server running until life ends. The outcome of the first
// start goes to ready; a first start gets a few attempts because processes of
// a killed predecessor need a moment to leave the shared memory.
func (c *Cluster) supervise(life context.Context, ready chan<- error) {
	defer close(c.done)
	runtime.LockOSThread() // never unlocked: see launch
	pause, answered := firstPause, false
	onReady := func(pid int) {
		if answered {
			c.log.Info("database server runs again", "pid", pid)
			return
		}
		answered = true
		ready <- nil
	}
	for attempt := 1; ; attempt++ {
		began := time.Now()
		err := c.live(life, onReady)
		if life.Err() != nil {
			c.err = err
			return
		}
		if !answered && attempt == startAttempts {
			ready <- err
			return
		}
		if time.Since(began) > steady {
			pause = firstPause
		}
		if answered {
			c.log.Error("database server died, starting it again", "error", err, "in", pause)
		}
		select {
		case <-life.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// live is one life of the server: it returns why the server ended, nil when it
// was a clean stop that life's end asked for.
func (c *Cluster) live(life context.Context, onReady func(pid int)) error {
	s, err := c.launch()
	if err != nil {
		return err
	}
	if err = c.awaitReady(life, s); err == nil {
		onReady(s.cmd.Process.Pid)
		select {
		case <-s.exited:
			return fmt.Errorf("%w; its log %s says:\n%s", exitReason(s.err), s.log, s.tail())
		case <-life.Done():
		}
	}
	c.signal(quitFast)
	<-s.exited
	if life.Err() != nil && s.err != nil {
		return fmt.Errorf("database server did not stop cleanly, it will recover at its next start: %w", s.err)
	}
	if life.Err() != nil {
		return nil
	}
	return err
}
