package collect

import (
	"errors"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/load"

	"lucid.internal/shared/wire"
)

// cpuReader remembers the counters of the sample before.
type cpuReader struct {
	*Collector
	before map[string]cpu.TimesStat // by core name; "cpu-total" is all of them
}

func (c *cpuReader) read() (reading, error) {
	total, err := cpu.TimesWithContext(c.context, false)
	if err != nil {
		return nil, err
	}
	cores, err := cpu.TimesWithContext(c.context, true)
	if err != nil {
		return nil, err
	}
	if len(total) != 1 || len(cores) == 0 {
		return nil, errors.New("/proc/stat lists no processor")
	}
	average, err := load.AvgWithContext(c.context)
	if err != nil {
		return nil, err
	}
	now := make(map[string]cpu.TimesStat, len(cores)+1)
	for _, t := range append(cores, total[0]) {
		now[t.CPU] = t
	}
	figures := &wire.CPU{
		Cores:        len(cores),
		LoadAverage:  [3]float64{average.Load1, average.Load5, average.Load15},
		FrequencyMHz: c.frequency(),
		UsagePercent: usage(c.before, total[0]),
		PerCore:      perCore(c.before, cores),
	}
	c.before = now
	return func(s *wire.Sample) {
		s.CPU = figures
		if figures.FrequencyMHz == nil {
			absent(s, "cpu.frequency_mhz", "neither cpufreq nor /proc/cpuinfo tells the clock")
		}
		if figures.UsagePercent == nil {
			absent(s, "cpu.usage_percent", "no earlier reading to compare with")
		}
		if figures.PerCore == nil {
			absent(s, "cpu.per_core", "a core has no earlier reading to compare with")
		}
	}, nil
}

// usage is the busy share of the time since the reading before, in percent;
// nil without one, or when the counters did not advance.
func usage(before map[string]cpu.TimesStat, now cpu.TimesStat) *float64 {
	then, known := before[now.CPU]
	if !known {
		return nil
	}
	all := total(now) - total(then)
	idle := (now.Idle + now.Iowait) - (then.Idle + then.Iowait)
	if all <= 0 {
		return nil
	}
	// The kernel lets iowait fall a little, so the quotient can leave 0..100.
	percent := rounded(min(max(100*(all-idle)/all, 0), 100))
	return &percent
}

// total leaves guest time out: the kernel counts it in user and nice already.
func total(t cpu.TimesStat) float64 {
	return t.User + t.Nice + t.System + t.Idle + t.Iowait + t.Irq + t.Softirq + t.Steal
}

// perCore gives each core's usage, or nil when one of them is not known yet:
// a list with holes would name the wrong cores.
func perCore(before map[string]cpu.TimesStat, cores []cpu.TimesStat) []float64 {
	cores = cores[:min(len(cores), wire.MaxListItems)]
	percents := make([]float64, len(cores))
	for i, t := range cores {
		p := usage(before, t)
		if p == nil {
			return nil
		}
		percents[i] = *p
	}
	return percents
}

// frequency is the mean clock of the cores in MHz: cpufreq where the kernel
// has it, else what /proc/cpuinfo says (x86); nil when neither tells.
func (c *Collector) frequency() *float64 {
	var sum float64
	var n int
	for _, path := range c.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq") {
		if kHz, err := readNumber(path); err == nil {
			sum, n = sum+kHz/1000, n+1
		}
	}
	if n == 0 {
		sum, n = cpuinfoMHz(c.text("proc/cpuinfo"))
	}
	if n == 0 || sum <= 0 {
		return nil
	}
	mean := rounded(sum / float64(n))
	return &mean
}

// cpuinfoMHz adds up the "cpu MHz" lines of /proc/cpuinfo.
func cpuinfoMHz(text string) (sum float64, n int) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) != "cpu MHz" {
			continue
		}
		if mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			sum, n = sum+mhz, n+1
		}
	}
	return sum, n
}
