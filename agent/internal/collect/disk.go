package collect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"lucid.internal/shared/wire"
)

// diskReader remembers the counters of the sample before.
type diskReader struct {
	*Collector
	before map[string]disk.IOCountersStat
	at     time.Time
}

func (d *diskReader) read() (reading, error) {
	filesystems, err := d.filesystems()
	if err != nil {
		return nil, err
	}
	figures := &wire.Disk{Filesystems: filesystems[:min(len(filesystems), wire.MaxListItems)]}
	for _, f := range filesystems {
		figures.TotalBytes += f.TotalBytes
		figures.UsedBytes += f.UsedBytes
		figures.FreeBytes += f.FreeBytes
	}
	reason := d.rates(figures)
	worn, notWorn := d.worn()
	figures.WornPercent = worn
	return func(s *wire.Sample) {
		s.Disk = figures
		if reason != nil {
			absent(s, "disk.rates", reason.Error())
		}
		if silent := silentFilesystems(figures.Filesystems); silent != "" {
			absent(s, "disk.health", "no ext4 that the kernel tells of: "+silent)
		}
		if notWorn != nil {
			absent(s, "disk.worn_percent", notWorn.Error())
		}
	}, nil
}

// filesystems measures the real filesystems. In a container there is none
// (its root is an overlay): then its root stands for the disk.
func (d *diskReader) filesystems() ([]wire.Filesystem, error) {
	mounts, err := d.mounts()
	if err != nil {
		return nil, err
	}
	var list []wire.Filesystem
	var failed error
	for _, m := range mounts {
		f, err := d.measure(m)
		if err != nil {
			failed = err
			continue
		}
		list = append(list, f)
	}
	if len(list) == 0 {
		f, err := d.measure(mount{point: "/"})
		if err != nil {
			return nil, errors.Join(failed, err)
		}
		list = []wire.Filesystem{f}
	}
	return list, nil
}

func (c *Collector) mounts() ([]mount, error) {
	text, err := os.ReadFile(c.path("proc/self/mountinfo"))
	if err != nil {
		return nil, err
	}
	return parseMounts(string(text))
}

func (c *Collector) measure(m mount) (wire.Filesystem, error) {
	u, err := c.config.Usage(c.path(m.point))
	if err != nil {
		return wire.Filesystem{}, fmt.Errorf("%s: %w", m.point, err)
	}
	if u.Total == 0 {
		return wire.Filesystem{}, fmt.Errorf("%s: filesystem tells no size", m.point)
	}
	f := wire.Filesystem{
		Mount:      clip(m.point),
		TotalBytes: u.Total,
		UsedBytes:  min(u.Used, u.Total),
		FreeBytes:  min(u.Free, u.Total),
		ReadOnly:   m.readOnly,
	}
	c.readHealth(m.number, &f)
	return f, nil
}

// silentFilesystems are the mount points of those of whose health nothing is told.
func silentFilesystems(list []wire.Filesystem) string {
	var mounts []string
	for _, f := range list {
		if f.ErrorsCount == nil || f.LifetimeWriteBytes == nil {
			mounts = append(mounts, f.Mount)
		}
	}
	return strings.Join(mounts, ", ")
}

// virtualDisk names block devices that stand on another one, or on memory:
// counting them would count the same transfer twice.
func virtualDisk(name string) bool {
	return startsWith(name, "loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd")
}

// rates fills the transfer rates of the whole disks since the reading
// before, or says why there are none.
func (d *diskReader) rates(figures *wire.Disk) error {
	var names []string
	for _, path := range d.glob("sys/block/*") {
		if name := filepath.Base(path); !virtualDisk(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return errors.New("no disk in /sys/block")
	}
	counters, err := disk.IOCountersWithContext(d.context, names...)
	if err != nil {
		return err
	}
	before, elapsed := d.before, d.config.Now().Sub(d.at).Seconds()
	d.before, d.at = counters, d.config.Now()
	switch {
	case before == nil:
		return errors.New("no earlier reading to compare with")
	case elapsed <= 0:
		return errors.New("no time has passed since the last reading")
	}
	r := transfers(before, counters)
	rate := func(n uint64, unit float64) *float64 {
		v := rounded(float64(n)/elapsed) / unit
		return &v
	}
	figures.ReadIOPS, figures.WriteIOPS = rate(r.ReadCount, 1), rate(r.WriteCount, 1)
	figures.ReadThroughputMBps = rate(r.ReadBytes, 1e6)
	figures.WriteThroughputMBps = rate(r.WriteBytes, 1e6)
	return nil
}

// transfers adds up what each disk did between two readings. A disk that
// came, went or started over in between is left out.
func transfers(before, now map[string]disk.IOCountersStat) (sum disk.IOCountersStat) {
	for name, n := range now {
		b, known := before[name]
		if !known || n.ReadCount < b.ReadCount || n.WriteCount < b.WriteCount ||
			n.ReadBytes < b.ReadBytes || n.WriteBytes < b.WriteBytes {
			continue
		}
		sum.ReadCount += n.ReadCount - b.ReadCount
		sum.WriteCount += n.WriteCount - b.WriteCount
		sum.ReadBytes += n.ReadBytes - b.ReadBytes
		sum.WriteBytes += n.WriteBytes - b.WriteBytes
	}
	return sum
}
