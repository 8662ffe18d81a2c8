// Package collect owns reading the machine: one file a subject, each giving
// its part of a wire.Sample, and the inventory.
//
// It must never start a program, write anything, or let one subject that
// fails or hangs hold up the others. A figure that the machine does not give
// is null with a reason, never 0.
package collect

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/disk"

	"lucid.internal/shared/wire"
)

// How long a subject may take before it is reported absent. Files of /proc and
// /sys answer in microseconds; what takes seconds is a dead disk.
const (
	quick          = time.Second
	DefaultTimeout = 2 * time.Second
)

// Config of a Collector. The zero value reads this machine.
type Config struct {
	Root    string           // where proc, sys and etc are found; default "/"
	Timeout time.Duration    // longest of a subject, which may have a shorter one; default DefaultTimeout
	Now     func() time.Time // default time.Now; rates use its monotonic part

	// Usage measures the filesystem mounted at a path; default statfs.
	Usage func(path string) (*disk.UsageStat, error)
	// Firmware opens the device that passes questions on to the firmware of a
	// Raspberry Pi; default the kernel's.
	Firmware func(path string) (ask exchange, done func(), err error)
	// Addresses lists the IP addresses of an interface; default the kernel's.
	Addresses func(name string) []string
}

// Collector takes samples. Rates are since its sample before.
type Collector struct {
	config   Config
	context  context.Context // carries the root to gopsutil, which takes it this way only
	subjects []*subject
}

// reading puts what a subject found into a sample.
type reading func(*wire.Sample)

// subject is one part of a sample.
type subject struct {
	name  string
	limit time.Duration
	read  func() (reading, error)
	busy  atomic.Bool   // its last read has not come back yet
	took  time.Duration // of its last read that came back in time; of Sample's goroutine
}

// New makes a collector. It reads nothing yet.
func New(config Config) *Collector {
	if config.Root == "" {
		config.Root = "/"
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Usage == nil {
		config.Usage = disk.Usage
	}
	if config.Firmware == nil {
		config.Firmware = openFirmware
	}
	if config.Addresses == nil {
		config.Addresses = addressesOf
	}
	c := &Collector{config: config}
	c.context = context.WithValue(context.Background(), common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: c.path("proc"),
		common.HostSysEnvKey:  c.path("sys"),
		common.HostEtcEnvKey:  c.path("etc"),
		common.HostDevEnvKey:  c.path("dev"),
		common.HostRunEnvKey:  c.path("run"),
		common.HostRootEnvKey: config.Root,
	})
	c.subjects = []*subject{
		{name: "cpu", limit: quick, read: (&cpuReader{Collector: c}).read},
		{name: "memory", limit: quick, read: c.readMemory},
		{name: "disk", limit: DefaultTimeout, read: (&diskReader{Collector: c}).read},
		{name: "network", limit: quick, read: c.readNetwork},
		{name: "gpu", limit: quick, read: (&gpuReader{Collector: c}).read},
		{name: "throttle", limit: quick, read: (&throttleReader{Collector: c}).read},
		{name: "pressure", limit: quick, read: c.readPressure},
		{name: "fan", limit: quick, read: c.readFan},
		{name: "firmware", limit: DefaultTimeout, read: c.readFirmware},
		{name: "thermal", limit: quick, read: c.readThermal},
	}
	return c
}

// Sample reads every subject at the same time. Seq and AtMs are the caller's
// to set. A subject that fails, or does not answer within the timeout, is
// null and Absent says why; one that hangs is not started again until it has
// come back.
func (c *Collector) Sample() wire.Sample {
	type result struct {
		subject int
		reading reading
		err     error
	}
	results := make(chan result, 2*len(c.subjects)) // room for all and their limits: a late one never blocks
	var sample wire.Sample
	begun := time.Now()
	readings := make([]reading, len(c.subjects))
	waiting := make(map[int]bool, len(c.subjects))
	for i, s := range c.subjects {
		if !s.busy.CompareAndSwap(false, true) {
			absent(&sample, s.name, "still waiting for an earlier reading")
			continue
		}
		waiting[i] = true
		limit := min(s.limit, c.config.Timeout)
		expire := time.AfterFunc(limit, func() { results <- result{i, nil, fmt.Errorf("no answer within %s", limit)} })
		go func() {
			reading, err := s.safely()
			s.busy.Store(false)
			results <- result{i, reading, err}
			expire.Stop()
		}()
	}
	for len(waiting) > 0 {
		r := <-results
		if !waiting[r.subject] {
			continue // its limit, or its answer after it
		}
		delete(waiting, r.subject)
		s := c.subjects[r.subject]
		readings[r.subject], s.took = r.reading, time.Since(begun)
		if r.err != nil {
			absent(&sample, s.name, r.err.Error())
		}
	}
	for _, apply := range readings { // in order: firmware adds to what cpu and gpu set, thermal to all three
		if apply != nil {
			apply(&sample)
		}
	}
	return sample
}

// Took is how long each subject needed in the last Sample, whose goroutine
// alone may ask: until it answered, or gave up at its limit.
func (c *Collector) Took() map[string]time.Duration {
	took := make(map[string]time.Duration, len(c.subjects))
	for _, s := range c.subjects {
		took[s.name] = s.took
	}
	return took
}

// safely turns a panic, which a malformed kernel file can cause in a parser,
// into a failure of this subject only.
func (s *subject) safely() (r reading, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("reading %s failed: %v", s.name, p)
		}
	}()
	return s.read()
}

// absent notes why a figure is null.
func absent(s *wire.Sample, what, why string) {
	if s.Absent == nil {
		s.Absent = make(map[string]string)
	}
	s.Absent[what] = clip(why)
}

// clip makes a text one that the wire carries: valid UTF-8 without control
// characters, cut between characters at its limit. The coordinator refuses a
// message with any other, and a mount point or an error may hold anything.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) <= wire.MaxTextBytes {
		return s
	}
	return strings.ToValidUTF8(s[:wire.MaxTextBytes], "")
}

// startsWith reports whether a name has one of the prefixes.
func startsWith(name string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// rounded cuts noise that would only make messages longer.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

// path is a path under the collector's root.
func (c *Collector) path(parts ...string) string {
	return filepath.Join(append([]string{c.config.Root}, parts...)...)
}

// text is a small file's content without the NUL, spaces and newline that
// the kernel puts at its end; "" when it cannot be read.
func (c *Collector) text(parts ...string) string {
	b, err := os.ReadFile(c.path(parts...))
	if err != nil {
		return ""
	}
	return strings.Trim(string(b), " \t\r\n\x00")
}

// glob lists the files that match a pattern under the root, in order.
func (c *Collector) glob(parts ...string) []string {
	found, _ := filepath.Glob(c.path(parts...)) // the only error is a bad pattern, and ours are constant
	return found
}
