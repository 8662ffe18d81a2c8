package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanPatience is how long an orphan may take for a clean stop.
const orphanPatience = 30 * time.Second

// stopOrphan makes way for our server. We hold the folder's lock, so a server
// that still runs on it has lost its coordinator: it is stopped. A pid file
// whose process is gone, or is by now another program, is a left-over.
func (c *Cluster) stopOrphan(ctx context.Context) error {
	pid, err := c.pidFile()
	if err != nil {
		return err
	}
	if pid > 0 && c.isOurs(pid) {
		c.log.Warn("stopping a database server that a killed coordinator left behind", "pid", pid, "folder", c.data)
		if err := c.stopProcess(ctx, pid); err != nil {
			return err
		}
	} else if pid > 0 && alive(pid) {
		// The number now belongs to a stranger, and Postgres would refuse to start.
		if err := os.Remove(filepath.Join(c.data, "postmaster.pid")); err != nil {
			return fmt.Errorf("stale pid file: %w", err)
		}
	}
	return c.dropOldSocket()
}

// pidFile reads the process id of postmaster.pid, 0 when there is no file.
func (c *Cluster) pidFile() (int, error) {
	path := filepath.Join(c.data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("pid file: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0, fmt.Errorf("pid file %s does not begin with a process id: when no server uses %s, remove it", path, c.data)
	}
	return pid, nil
}

// isOurs reports whether the process is a server on our data folder. Its
// command line is asked: that needs no privilege even for another user.
func (c *Cluster) isOurs(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(bytes.TrimRight(line, "\x00"), []byte{0})
	if filepath.Base(string(args[0])) != "postgres" {
		return false
	}
	for i, arg := range args[1:] {
		if string(arg) == "-D" && i+2 < len(args) && string(args[i+2]) == c.data {
			return true
		}
	}
	return false
}

func (c *Cluster) stopProcess(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, quitFast); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping the database server left behind (pid %d): %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for c.isOurs(pid) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the database server left behind on %s (pid %d) does not stop: %w", c.data, pid, ctx.Err())
		}
	}
	return nil
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
