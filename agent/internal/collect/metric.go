package collect

import (
	"fmt"
	"strings"
)

// Metric says of one figure of a sample what it is measured in, where it is
// read from, and when it is null.
type Metric struct {
	Name, Unit, Source, Null string
}

// What many figures have in common.
const (
	always      = "never" // while its subject is not
	first       = "in the first sample after a start, and when the counters started over"
	noPSI       = "the kernel has no pressure figures (psi=1 on its command line gives them on Raspberry Pi OS)"
	onlyExt4    = "it is no ext4, or not on a disk that the kernel names"
	noWireless  = "it is no wireless link, is down, or its driver does not say"
	noMailbox   = "the kernel has no /dev/vcio_gencmd, or it may not be opened"
	statfs      = "statfs of each real filesystem in /proc/self/mountinfo"
	netDev      = "/proc/net/dev, without lo, veth*, docker*, br* and other virtual ones"
	meminfo     = "/proc/meminfo"
	diskstats   = "/proc/diskstats, whole disks"
	throttled   = "get_throttled of the firmware, as the kernel shows it below /sys/devices/platform"
	noFirmware  = "no firmware tells (no Raspberry Pi, or a kernel that does not show it)"
	zramStat    = "/sys/block/zram*/mm_stat"
	noZram      = "there is no zram device"
	perInterval = " since the sample before"
)

// Metrics lists every figure, in the order of a sample.
func Metrics() []Metric {
	return []Metric{
		{"cpu.usage_percent", "percent of all cores", "/proc/stat" + perInterval, first},
		{"cpu.cores", "count", "/proc/stat", always},
		{"cpu.frequency_mhz", "MHz", "firmware measure_clock arm, else the mean of cpufreq's scaling_cur_freq, else /proc/cpuinfo", "none of them tells"},
		{"cpu.load_average", "tasks, over 1, 5 and 15 minutes", "/proc/loadavg", always},
		{"cpu.temperature_celsius", "°C", "/sys/class/thermal, else /sys/class/hwmon: the processor's own sensor", "there is no such sensor, or it says nonsense"},
		{"cpu.per_core", "percent of each core", "/proc/stat" + perInterval, first + ", and when a core came or went"},
		{"cpu.pressure_percent", "percent of the last 10 s", "/proc/pressure/cpu: some task waited", noPSI},
		{"memory.total_bytes", "bytes", meminfo, always},
		{"memory.used_bytes", "bytes", meminfo, always},
		{"memory.free_bytes", "bytes", meminfo, always},
		{"memory.available_bytes", "bytes", meminfo, always},
		{"memory.cached_bytes", "bytes", meminfo, always},
		{"memory.swap_total_bytes", "bytes", meminfo, always},
		{"memory.swap_used_bytes", "bytes", meminfo, always},
		{"memory.pressure_percent", "percent of the last 10 s", "/proc/pressure/memory: some task waited", noPSI},
		{"memory.stalled_percent", "percent of the last 10 s", "/proc/pressure/memory: all tasks waited", noPSI},
		{"memory.zram.data_bytes", "bytes put there", zramStat, noZram},
		{"memory.zram.packed_bytes", "bytes that they are packed to", zramStat, noZram},
		{"memory.zram.memory_bytes", "bytes of memory that this takes", zramStat, noZram},
		{"disk.total_bytes", "bytes", statfs, always},
		{"disk.used_bytes", "bytes", statfs, always},
		{"disk.free_bytes", "bytes", statfs, always},
		{"disk.read_iops", "operations a second", diskstats + perInterval, first},
		{"disk.write_iops", "operations a second", diskstats + perInterval, first},
		{"disk.read_throughput_mbps", "10⁶ bytes a second", diskstats + perInterval, first},
		{"disk.write_throughput_mbps", "10⁶ bytes a second", diskstats + perInterval, first},
		{"disk.filesystems[].mount", "path", "/proc/self/mountinfo", always},
		{"disk.filesystems[].total_bytes", "bytes", "statfs", always},
		{"disk.filesystems[].used_bytes", "bytes", "statfs", always},
		{"disk.filesystems[].free_bytes", "bytes", "statfs", always},
		{"disk.filesystems[].read_only", "yes or no", "/proc/self/mountinfo, the filesystem's own state: yes after errors made the kernel mount it so", always},
		{"disk.filesystems[].errors_count", "count since its last check", "/sys/fs/ext4/*/errors_count", onlyExt4},
		{"disk.filesystems[].lifetime_write_bytes", "bytes since it was made", "/sys/fs/ext4/*/lifetime_write_kbytes", onlyExt4},
		{"disk.pressure_percent", "percent of the last 10 s", "/proc/pressure/io: some task waited", noPSI},
		{"disk.stalled_percent", "percent of the last 10 s", "/proc/pressure/io: all tasks waited", noPSI},
		{"disk.worn_percent", "percent of the expected life, in steps of ten, 110 beyond it", "/sys/block/mmcblk*/device/life_time, the worse of both types of cells", "there is no eMMC, or it does not tell (SD cards do not)"},
		{"network.interfaces[].name", "name", netDev, always},
		{"network.interfaces[].bytes_in", "bytes since the boot", netDev, always},
		{"network.interfaces[].bytes_out", "bytes since the boot", netDev, always},
		{"network.interfaces[].speed_mbps", "10⁶ bits a second", "/sys/class/net/*/speed", "it is wireless, or down"},
		{"network.interfaces[].carrier_changes", "count since the boot", "/sys/class/net/*/carrier_changes", "the driver does not count"},
		{"network.interfaces[].signal_dbm", "dBm", "/proc/net/wireless, level", noWireless},
		{"network.interfaces[].quality", "the driver's own scale, mostly of 70", "/proc/net/wireless, link", noWireless},
		{"network.total_bytes_in", "bytes since the boot, all interfaces", netDev, always},
		{"network.total_bytes_out", "bytes since the boot, all interfaces", netDev, always},
		{"network.packets_in", "count since the boot", netDev, always},
		{"network.packets_out", "count since the boot", netDev, always},
		{"network.errors_in", "count since the boot", netDev, always},
		{"network.errors_out", "count since the boot", netDev, always},
		{"gpu.usage_percent", "percent of the busiest queue", "/sys/class/drm/card*/device/gpu_stats (v3d: Raspberry Pi 4 and 5)" + perInterval, "there is no such driver, and " + first},
		{"gpu.memory_used_bytes", "bytes", "nothing yet", "always: neither driver nor firmware tells"},
		{"gpu.memory_total_bytes", "bytes", "firmware get_mem gpu", noMailbox},
		{"gpu.temperature_celsius", "°C", "the processor's sensor, which is on the same chip", "as cpu.temperature_celsius"},
		{"gpu.frequency_mhz", "MHz", "firmware measure_clock v3d", noMailbox},
		{"throttle.under_voltage", "yes or no", throttled + ", bit 0; else in0_lcrit_alarm of hwmon rpi_volt", noFirmware},
		{"throttle.capped", "yes or no", throttled + ", bit 1", noFirmware},
		{"throttle.throttled", "yes or no", throttled + ", bit 2", noFirmware},
		{"throttle.soft_limit", "yes or no", throttled + ", bit 3", noFirmware},
		{"throttle.under_voltage_events", "count since the agent started", "how often throttle.under_voltage began", noFirmware},
		{"board.fan_rpm", "turns a minute", "/sys/devices/platform/cooling_fan/hwmon/*/fan1_input (Raspberry Pi 5)", "there is no fan"},
		{"board.input_volts", "V", "firmware pmic_read_adc, EXT5V_V (Raspberry Pi 5)", "there is no such chip; " + noMailbox},
		{"board.power_watts", "W, without what the power chip loses itself", "firmware pmic_read_adc, the sum of voltage times current of all rails (Raspberry Pi 5)", "there is no such chip; " + noMailbox},
	}
}

// MetricsPage is docs/metrics.md.
func MetricsPage() string {
	var b strings.Builder
	b.WriteString(`# Metrics

What a sample holds, written by ` + "`make generate`" + ` from ` + "`agent/internal/collect/metric.go`" + `, which a test holds against the
message itself. A figure that a machine does not give is null or left out, never 0, and ` + "`absent`" + ` of the sample names the subject
with the reason: ` + "`lucid-agent status`" + ` shows it as "no figure". Each subject is read beside the others, with a time limit of its
own (a second; two for disk and firmware): one that hangs or fails takes no other with it, and ` + "`collect_ms`" + ` of
` + "`lucid-agent status --json`" + ` says how long each took.

| figure | unit | read from | null when |
|---|---|---|---|
`)
	for _, m := range Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Unit, m.Source, m.Null)
	}
	return b.String()
}
