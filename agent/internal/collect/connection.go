package collect

import (
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// readLinks adds to each interface what the kernel tells of its link
// (Documentation/ABI/testing/sysfs-class-net), and reports whether a wireless
// one is up. A link that is down, or wireless, has no speed there.
func (c *Collector) readLinks(interfaces []wire.Interface) (wireless bool) {
	signals := parseWireless(c.text("proc/net/wireless"))
	for i := range interfaces {
		f := &interfaces[i]
		f.CarrierChanges = c.counter("sys/class/net", f.Name, "carrier_changes")
		if speed := c.counter("sys/class/net", f.Name, "speed"); speed != nil && *speed > 0 && *speed < 1e7 {
			f.SpeedMbps = new(float64(*speed))
		}
		if s, up := signals[f.Name]; up {
			f.Quality, f.SignalDBm = s.quality, s.dBm
			wireless = true
		}
	}
	return wireless
}

// signal is of a wireless link; each is nil where the driver does not say.
type signal struct{ quality, dBm *float64 }

// parseWireless reads /proc/net/wireless (net/wireless/wext-proc.c):
// "wlan0: 0000   59.  -51.  -256  ...", after two lines of headings. A level
// above 0 is of the driver's own scale, not in dBm.
func parseWireless(text string) map[string]signal {
	found := make(map[string]signal)
	for line := range strings.Lines(text) {
		name, rest, isRow := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !isRow || len(f) < 3 {
			continue
		}
		s := signal{quality: bounded(f[1], 0, 256), dBm: bounded(f[2], -256, 0)}
		found[strings.TrimSpace(name)] = s
	}
	return found
}

// bounded reads a whole number, which the kernel ends with a dot when it is
// fresh; nil when it does not lie in between.
func bounded(text string, low, high int) *float64 {
	n, err := strconv.Atoi(strings.TrimSuffix(text, "."))
	if err != nil || n < low || n > high {
		return nil
	}
	return new(float64(n))
}
