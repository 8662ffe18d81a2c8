package collect

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// gpuReader remembers the queue counters of the sample before.
type gpuReader struct {
	*Collector
	before map[string]queue
}

// queue is one work queue of the GPU, both figures in nanoseconds.
type queue struct{ timestamp, runtime uint64 }

// read looks for the counters of the v3d driver (Raspberry Pi 4 and 5). The
// card's number changes between boots, so it is searched for each time.
func (g *gpuReader) read() (reading, error) {
	paths := g.glob("sys/class/drm/card*/device/gpu_stats")
	if len(paths) == 0 {
		return nil, errors.New("no GPU that tells its load")
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		return nil, err
	}
	queues, err := parseGPUStats(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", paths[0], err)
	}
	figures := &wire.GPU{UsagePercent: gpuUsage(g.before, queues)}
	g.before = queues
	return func(s *wire.Sample) {
		s.GPU = figures
		if figures.UsagePercent == nil {
			absent(s, "gpu.usage_percent", "no earlier reading to compare with")
		}
		absent(s, "gpu.memory", "the driver does not tell")
	}, nil
}

// parseGPUStats reads the driver's table: queue, timestamp, jobs, runtime.
func parseGPUStats(text string) (map[string]queue, error) {
	queues := make(map[string]queue)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "queue" {
			continue
		}
		if len(f) != 4 {
			return nil, fmt.Errorf("line %q has %d columns, want 4", strings.TrimSpace(line), len(f))
		}
		timestamp, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return nil, err
		}
		runtime, err := strconv.ParseUint(f[3], 10, 64)
		if err != nil {
			return nil, err
		}
		queues[f[0]] = queue{timestamp, runtime}
	}
	if len(queues) == 0 {
		return nil, errors.New("no queue listed")
	}
	return queues, nil
}

// gpuUsage is the busiest queue's share of the time since the reading
// before, in percent; nil when no queue can be compared.
func gpuUsage(before, now map[string]queue) *float64 {
	var busiest *float64
	for name, n := range now {
		b, known := before[name]
		if !known || n.timestamp <= b.timestamp || n.runtime < b.runtime {
			continue
		}
		percent := rounded(min(100*float64(n.runtime-b.runtime)/float64(n.timestamp-b.timestamp), 100))
		if busiest == nil || percent > *busiest {
			busiest = &percent
		}
	}
	return busiest
}
