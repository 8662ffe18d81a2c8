package collect

import (
	"testing"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/mem"
)

func TestUsageStaysInRange(t *testing.T) {
	before := map[string]cpu.TimesStat{"cpu0": {CPU: "cpu0", User: 10, Idle: 90, Iowait: 5}}
	for _, c := range []struct {
		name string
		now  cpu.TimesStat
		want float64 // -1: nil
	}{
		{"half", cpu.TimesStat{CPU: "cpu0", User: 15, Idle: 95, Iowait: 5}, 50},
		{"iowait falls", cpu.TimesStat{CPU: "cpu0", User: 20, Idle: 90, Iowait: 4}, 100},
		{"guest is part of user", cpu.TimesStat{CPU: "cpu0", User: 15, Guest: 5, Idle: 95, Iowait: 5}, 50},
		{"nothing moved", cpu.TimesStat{CPU: "cpu0", User: 10, Idle: 90, Iowait: 5}, -1},
		{"counters fell", cpu.TimesStat{CPU: "cpu0", User: 1, Idle: 9}, -1},
		{"unknown core", cpu.TimesStat{CPU: "cpu7", User: 1, Idle: 9}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := usage(before, c.now)
			if c.want < 0 {
				if got != nil {
					t.Fatalf("usage = %v, want none", *got)
				}
				return
			}
			if got == nil || *got != c.want {
				t.Fatalf("usage = %v, want %v", got, c.want)
			}
		})
	}
}

func TestMemoryPartsStayWithinTheWhole(t *testing.T) {
	m := memoryFrom(&mem.VirtualMemoryStat{
		Total: 100, Free: 60, Buffers: 30, Cached: 300, Available: 200, SwapTotal: 10, SwapFree: 20,
	})
	if m.UsedBytes != 0 || m.CachedBytes != 100 || m.AvailableBytes != 100 || m.SwapUsedBytes != 0 {
		t.Errorf("memory = %+v", m)
	}
}

func TestTransfersLeaveOutDisksThatStartedOver(t *testing.T) {
	before := map[string]disk.IOCountersStat{"a": {ReadCount: 5, ReadBytes: 500}, "b": {ReadCount: 1}, "gone": {}}
	now := map[string]disk.IOCountersStat{"a": {ReadCount: 4, ReadBytes: 600}, "b": {ReadCount: 3}, "new": {ReadCount: 9}}
	if got := transfers(before, now); got.ReadCount != 2 || got.ReadBytes != 0 {
		t.Errorf("transfers = %+v, want those of b alone", got)
	}
}

func TestMountWithoutASourceIsNoError(t *testing.T) {
	mounts, err := parseMounts("40 1 0:35 / /mnt/empty rw,relatime - tmpfs  rw,inode64\n" +
		"41 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n")
	if err != nil || len(mounts) != 1 || mounts[0].point != "/" {
		t.Errorf("mounts = %+v, %v", mounts, err)
	}
}

func TestParseMounts(t *testing.T) {
	for _, c := range []struct{ name, text, wantPoint, wantError string }{
		{"folder elsewhere", "1 0 8:1 /x /srv rw - ext4 /dev/sda1 rw\n", "", ""},
		{"whole one wins over a shorter folder", "1 0 8:1 /x / rw - ext4 /dev/sda1 rw\n2 0 8:1 / /srv rw - ext4 /dev/sda1 rw\n", "/srv", ""},
		{"trailing backslash", `1 0 8:1 / /a\04 rw - ext4 /dev/sda1 rw`, `/a\04`, ""},
		{"no separator", "1 0 8:1 / /srv rw ext4 /dev/sda1 rw\n", "", `mountinfo has the line "1 0 8:1 / /srv rw ext4 /dev/sda1 rw"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			mounts, err := parseMounts(c.text)
			if c.wantError != "" {
				if err == nil || err.Error() != c.wantError {
					t.Fatalf("error = %v, want %s", err, c.wantError)
				}
				return
			}
			var point string
			if len(mounts) > 0 {
				point = mounts[0].point
			}
			if err != nil || point != c.wantPoint {
				t.Fatalf("mounts = %v, %v; want %q", mounts, err, c.wantPoint)
			}
		})
	}
}

func TestGPUUsage(t *testing.T) {
	before := map[string]queue{"bin": {100, 10}, "render": {100, 50}}
	now := map[string]queue{"bin": {200, 40}, "render": {200, 20}, "csd": {200, 1}}
	got := gpuUsage(before, now)
	if got == nil || *got != 30 {
		t.Errorf("usage = %v, want 30: render's counter fell, csd is new", got)
	}
	if _, err := parseGPUStats("queue\ttimestamp\tjobs\truntime\n"); err == nil {
		t.Error("a table without queues was accepted")
	}
	if _, err := parseGPUStats("bin\t1\t2\n"); err == nil {
		t.Error("a row of three columns was accepted")
	}
}

func TestInventory(t *testing.T) {
	pi := newMachine(t, "pi4").Inventory()
	equal(t, "model", pi.Model, "Raspberry Pi 4 Model B Rev 1.4")
	equal(t, "os", pi.OS, "Debian GNU/Linux 13 (trixie)")
	equal(t, "kernel", pi.Kernel, "6.12.47+rpt-rpi-v8")
	equal(t, "hostname", pi.Hostname, "pi-kitchen")
	// printf %s 10000000a1b2c3d4 | sha256sum
	equal(t, "serial", pi.SerialHash, "a438f8ac132a3df945faaa625f139445f7f383bc8ada990f5e838a6f5294f6f1")
	equal(t, "cpu", pi.CPU.Model, "Cortex-A72")
	equal(t, "cores", pi.CPU.Cores, 4)
	equal(t, "frequency", pi.CPU.FrequencyMHz, 1800)
	equal(t, "memory", pi.MemoryBytes, 3884316<<10)
	equal(t, "disks", len(pi.Disks), 3)
	equal(t, "interfaces", len(pi.Interfaces), 2)
	equal(t, "mac", pi.Interfaces[0].MAC, "dc:a6:32:aa:bb:cc")
	equal(t, "up", pi.Interfaces[0].Up, true)
	equal(t, "wlan up", pi.Interfaces[1].Up, false)

	pc := newMachine(t, "x86").Inventory()
	equal(t, "model", pc.Model, "LENOVO 20L5S00000")
	equal(t, "vendor's filler is no serial number", pc.SerialHash, "")
	equal(t, "os", pc.OS, "Debian GNU/Linux 13 (trixie)")
}

func FuzzParsers(f *testing.F) {
	f.Add("27 1 179:2 / / ro,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n")
	f.Add("28 1 8:1 / /mnt rw - ext4  rw\n") // its source is empty
	f.Add("queue\ttimestamp\tjobs\truntime\nbin\t1\t2\t3\n")
	f.Add("cpu MHz\t: 1800.0\n")
	f.Add("PRETTY_NAME=\"x\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, _ := parseMounts(text)
		for _, m := range mounts {
			if m.device == "" {
				t.Error("a mount without a device")
			}
		}
		_, _ = parseGPUStats(text)
		_, _ = cpuinfoMHz(text)
		_ = parsePrettyName(text)
		if len(clip(text)) > 128 {
			t.Error("clip left more than the limit")
		}
	})
}
