package collect

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

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
	zram, err := c.zram()
	return func(s *wire.Sample) {
		s.Memory = figures
		s.Memory.Zram = zram
		if err != nil {
			absent(s, "memory.zram", err.Error())
		}
	}, nil
}

// zram adds up what all zram devices hold.
func (c *Collector) zram() (*wire.Zram, error) {
	files := c.glob("sys/block/zram*/mm_stat")
	if len(files) == 0 {
		return nil, errors.New("no zram")
	}
	sum := new(wire.Zram)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := addZram(sum, string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return sum, nil
}

// addZram reads the first columns of mm_stat, in bytes: orig_data_size,
// compr_data_size, mem_used_total (Documentation/admin-guide/blockdev/zram.rst).
func addZram(sum *wire.Zram, text string) error {
	columns := strings.Fields(text)
	if len(columns) < 3 {
		return fmt.Errorf("it says %q", strings.TrimSpace(text))
	}
	for i, into := range []*uint64{&sum.DataBytes, &sum.PackedBytes, &sum.MemoryBytes} {
		n, err := strconv.ParseUint(columns[i], 10, 56)
		if err != nil {
			return fmt.Errorf("column %d says %q", i+1, columns[i])
		}
		*into += n
	}
	return nil
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
