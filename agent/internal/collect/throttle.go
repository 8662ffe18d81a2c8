package collect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// Bits of the firmware's get_throttled that are about this moment. Those about
// the time since boot (16 to 19) are cleared by the kernel's own poll, so they
// tell nothing.
const (
	underVoltageBit = 1 << iota
	cappedBit
	throttledBit
	softLimitBit
)

var errNoThrottle = errors.New("no firmware that tells of throttling")

// throttleReader counts how often under-voltage began.
type throttleReader struct {
	*Collector
	low    bool // in the sample before
	events uint64
}

// read asks what the kernel of a Raspberry Pi shows of its firmware's
// get_throttled, which anybody may read. Where it does not, the kernel's own
// watch over the supply still tells of under-voltage.
func (r *throttleReader) read() (reading, error) {
	t, err := r.throttle()
	if err != nil {
		return nil, err
	}
	if low := *t.UnderVoltage; low != r.low {
		r.low = low
		if low {
			r.events++
		}
	}
	t.UnderVoltageEvents = new(r.events)
	return func(s *wire.Sample) {
		s.Throttle = t
		if t.Throttled == nil {
			absent(s, "throttle.bits", "the kernel tells of under-voltage alone")
		}
	}, nil
}

func (c *Collector) throttle() (*wire.Throttle, error) {
	if files := c.glob("sys/devices/platform/soc*/*firmware/get_throttled"); len(files) > 0 {
		text, err := os.ReadFile(files[0])
		if err != nil {
			return nil, err
		}
		return parseThrottled(string(text))
	}
	for _, folder := range c.glob("sys/class/hwmon/hwmon*") {
		name, err := os.ReadFile(filepath.Join(folder, "name"))
		if err != nil || strings.TrimSpace(string(name)) != "rpi_volt" {
			continue
		}
		alarm, err := readNumber(filepath.Join(folder, "in0_lcrit_alarm"))
		if err != nil {
			return nil, err
		}
		low := alarm != 0
		return &wire.Throttle{UnderVoltage: &low}, nil
	}
	return nil, errNoThrottle
}

// parseThrottled reads hexadecimal digits, with or without 0x.
func parseThrottled(text string) (*wire.Throttle, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(text), "0x")
	bits, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return nil, fmt.Errorf("get_throttled says %q", digits)
	}
	is := func(bit uint64) *bool { set := bits&bit != 0; return &set }
	return &wire.Throttle{
		UnderVoltage: is(underVoltageBit), Capped: is(cappedBit), Throttled: is(throttledBit), SoftLimit: is(softLimitBit),
	}, nil
}

// ThrottleBits is what a sample says of throttling as the firmware's
// get_throttled has it, the bits of now; 0 where nothing is known.
func ThrottleBits(t *wire.Throttle) (bits uint32) {
	if t == nil {
		return 0
	}
	for i, set := range []*bool{t.UnderVoltage, t.Capped, t.Throttled, t.SoftLimit} {
		if set != nil && *set {
			bits |= underVoltageBit << i
		}
	}
	return bits
}
