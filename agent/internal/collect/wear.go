package collect

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lucid.internal/shared/wire"
)

// readHealth fills what ext4 tells of a filesystem on a device (its number as
// mountinfo shows it, 179:2): Documentation/ABI/testing/sysfs-fs-ext4. Of
// other filesystems nothing is told.
func (c *Collector) readHealth(number string, f *wire.Filesystem) {
	device, err := os.Readlink(c.path("sys/dev/block", number))
	if err != nil {
		return
	}
	folder := filepath.Base(device)
	f.ErrorsCount = c.counter("sys/fs/ext4", folder, "errors_count")
	if written := c.counter("sys/fs/ext4", folder, "lifetime_write_kbytes"); written != nil {
		f.LifetimeWriteBytes = new(*written << 10)
	}
}

// counter reads a file that holds one count, small enough to be multiplied by
// 1024; nil when it holds none.
func (c *Collector) counter(parts ...string) *uint64 {
	n, err := strconv.ParseUint(c.text(parts...), 10, 53)
	if err != nil {
		return nil
	}
	return &n
}

var errNoWear = errors.New("no eMMC")

// worn is how much of its life the eMMC that is worn most has used, in percent.
func (c *Collector) worn() (*float64, error) {
	var worst *float64
	for _, file := range c.glob("sys/block/mmcblk*/device/life_time") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if percent := parseLifeTime(string(text)); percent != nil && (worst == nil || *percent > *worst) {
			worst = percent
		}
	}
	if worst == nil {
		return nil, errNoWear
	}
	return worst, nil
}

// parseLifeTime reads "0x01 0x02": the life that cells of type A and B have
// used, in tenths that are begun, 0x0b for more than all (JEDEC eMMC 5.0,
// DEVICE_LIFE_TIME_EST; Documentation/driver-api/mmc/mmc-dev-attrs.rst). 0x00
// is not defined: nil when both are.
func parseLifeTime(text string) *float64 {
	var worst uint64
	for _, field := range strings.Fields(text) {
		if tenths, err := strconv.ParseUint(field, 0, 8); err == nil && tenths <= 0x0b {
			worst = max(worst, tenths)
		}
	}
	if worst == 0 {
		return nil
	}
	return new(float64(worst * 10))
}
