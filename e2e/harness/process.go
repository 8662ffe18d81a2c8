package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Footprint is what a process has used up to one moment.
type Footprint struct {
	At         time.Time
	RSS        uint64        // bytes resident now
	Anonymous  uint64        // part of RSS that no file backs
	Peak       uint64        // most bytes ever resident
	CPU        time.Duration // on a processor, all threads
	WriteBytes uint64        // sent to storage
}

// Look reads /proc of a process.
func Look(pid int) (Footprint, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	f := Footprint{At: time.Now()}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return f, err
	}
	io, err := os.ReadFile(filepath.Join(dir, "io"))
	if err != nil {
		return f, err
	}
	var errs [5]error
	f.RSS, errs[0] = field(string(status), "VmRSS:", 1024)
	f.Anonymous, errs[1] = field(string(status), "RssAnon:", 1024)
	f.Peak, errs[2] = field(string(status), "VmHWM:", 1024)
	f.WriteBytes, errs[3] = field(string(io), "write_bytes:", 1)
	f.CPU, errs[4] = CPUTime(pid)
	return f, errors.Join(errs[:]...)
}

// CPUTime is how long a process ran, threads that ended included. It comes in
// nanoseconds from the process's own clock, whose number is made of its id as
// clock_getcpuclockid(3) does: the ticks of /proc/PID/stat are too coarse for
// a tenth of a percent.
func CPUTime(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// Family is a process and its children.
func Family(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	pids := []int{pid}
	for word := range strings.FieldsSeq(string(text)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// FamilyCPUTime is what a process and its children have used together, those that
// ended and that it waited for as well.
func FamilyCPUTime(pid int) (time.Duration, error) {
	const tries = 100
	for range tries {
		ended, err := endedCPUTime(pid)
		if err != nil {
			return 0, err
		}
		pids, err := Family(pid)
		if err != nil {
			return 0, err
		}
		sum, gone := ended, false
		for _, p := range pids {
			used, err := CPUTime(p)
			gone = gone || err != nil
			sum += used
		}
		again, err := endedCPUTime(pid)
		if err != nil {
			return 0, err
		}
		if !gone && again == ended { // else somebody ended meanwhile, and is counted twice or not at all
			return sum, nil
		}
	}
	return 0, fmt.Errorf("CPU time of process %d and its children: some ended during each of %d looks", pid, tries)
}

// endedCPUTime is what children used that the process has waited for: cutime and
// cstime of proc_pid_stat(5).
func endedCPUTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const user, system, tick = 16 - 3, 17 - 3, time.Second / 100 // fields are counted from 1; behind the name comes the third
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields behind the name", pid, len(fields))
	}
	var sum time.Duration
	for _, i := range []int{user, system} {
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		sum += time.Duration(ticks) * tick
	}
	return sum, nil
}

// field reads a line such as "VmRSS:  1234 kB".
func field(text, name string, unit uint64) (uint64, error) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, name)
		if !found {
			continue
		}
		number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s %w", name, err)
		}
		return n * unit, nil
	}
	return 0, fmt.Errorf("%s is missing", name)
}

// Used is what a process used between two looks.
type Used struct {
	RSS, Anonymous, Peak, WriteBytes uint64
	CPUPercent                       float64 // of one core
}

// Between is what was used from one look to another.
func Between(before, after Footprint) Used {
	return Used{
		RSS: after.RSS, Anonymous: after.Anonymous, Peak: after.Peak,
		WriteBytes: after.WriteBytes - before.WriteBytes,
		CPUPercent: 100 * (after.CPU - before.CPU).Seconds() / after.At.Sub(before.At).Seconds(),
	}
}

func (u Used) String() string {
	return fmt.Sprintf("resident %s (anonymous %s, peak %s), CPU %.3f %% of a core, %d bytes written",
		MiB(u.RSS), MiB(u.Anonymous), MiB(u.Peak), u.CPUPercent, u.WriteBytes)
}

// MiB writes bytes.
func MiB(n uint64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
