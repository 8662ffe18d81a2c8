package collect

import (
	"errors"

	"github.com/shirou/gopsutil/v3/mem"

	"lucid.internal/shared/wire"
)

func (c *Collector) readMemory() (reading, error) {
	v, err := mem.VirtualMemoryWithContext(c.context)
	if err != nil {
		return nil, err
	}
	if v.Total == 0 {
		return nil, errors.New("/proc/meminfo has no MemTotal")
	}
	figures := memoryFrom(v)
	return func(s *wire.Sample) { s.Memory = figures }, nil
}

// memoryFrom keeps every part within its whole. The kernel reads the
// counters one after the other, and containers show a limit as the total
// beside the host's other counters, so a part can exceed its whole.
func memoryFrom(v *mem.VirtualMemoryStat) *wire.Memory {
	within := func(part uint64) uint64 { return min(part, v.Total) }
	taken := within(v.Free) + within(v.Buffers) + within(v.Cached)
	return &wire.Memory{
		TotalBytes:     v.Total,
		UsedBytes:      v.Total - within(taken),
		FreeBytes:      within(v.Free),
		AvailableBytes: within(v.Available),
		CachedBytes:    within(v.Cached),
		SwapTotalBytes: v.SwapTotal,
		SwapUsedBytes:  v.SwapTotal - min(v.SwapFree, v.SwapTotal),
	}
}
