package collect

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

var errNoPressure = errors.New("no pressure figures")

// pressure is what the kernel says of the waiting for one resource: the shares
// of the last 10 s in which some task, and all of them at once, stood still.
type pressure struct{ some, full *float64 }

// readPressure reads /proc/pressure (Documentation/accounting/psi.rst). A kernel
// may be built without it, or keep none unless it is started with psi=1.
func (c *Collector) readPressure() (reading, error) {
	var found [3]pressure
	for i, resource := range []string{"cpu", "memory", "io"} {
		text, err := os.ReadFile(c.path("proc/pressure", resource))
		if err != nil {
			return nil, errNoPressure
		}
		if found[i], err = parsePressure(string(text)); err != nil {
			return nil, fmt.Errorf("/proc/pressure/%s: %w", resource, err)
		}
	}
	return func(s *wire.Sample) {
		if s.CPU != nil {
			s.CPU.PressurePercent = found[0].some
		}
		if s.Memory != nil {
			s.Memory.PressurePercent, s.Memory.StalledPercent = found[1].some, found[1].full
		}
		if s.Disk != nil {
			s.Disk.PressurePercent, s.Disk.StalledPercent = found[2].some, found[2].full
		}
	}, nil
}

// parsePressure takes the mean of 10 s out of lines such as
// "some avg10=0.12 avg60=0.05 avg300=0.01 total=148757".
func parsePressure(text string) (p pressure, err error) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		digits, found := strings.CutPrefix(f[1], "avg10=")
		percent, err := strconv.ParseFloat(digits, 64)
		if !found || err != nil || !(percent >= 0 && percent <= 100) {
			return pressure{}, fmt.Errorf("it says %q", strings.TrimSpace(line))
		}
		switch f[0] {
		case "some":
			p.some = &percent
		case "full":
			p.full = &percent
		}
	}
	if p.some == nil {
		return pressure{}, errNoPressure
	}
	return p, nil
}
