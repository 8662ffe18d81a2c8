package sample

import (
	"fmt"
	"slices"
	"strings"
)

// Subject is what a metric is of.
type Subject string

// The subjects.
const (
	CPU      Subject = "cpu"
	Memory   Subject = "memory"
	Disk     Subject = "disk"
	Network  Subject = "network"
	GPU      Subject = "gpu"
	Throttle Subject = "throttle"
	Board    Subject = "board"
)

// metric is one figure of a sample as the rollups keep it.
type metric struct {
	subject Subject
	field   string // its name for readers, with its unit
	column  string // of table sample; those of the rollups end in _min, _avg, _max and _last
	whole   bool   // a bigint
	// A counter only rises: its least, mean and greatest would say nothing, so
	// the last one is kept. Readers get its rate, in perSecond's unit.
	perSecond string
	factor    float64
	lastOnly  bool // a size that hardly changes, a smoothed figure, a counter
}

// metrics are all that rollups keep.
func metrics() []metric {
	level := func(of Subject, field, column string) metric {
		return metric{subject: of, field: field, column: column}
	}
	bytes := func(of Subject, field, column string) metric {
		return metric{subject: of, field: field, column: column, whole: true}
	}
	last := func(of Subject, field, column string) metric {
		return metric{subject: of, field: field, column: column, lastOnly: true}
	}
	counter := func(field, column, perSecond string, factor float64) metric {
		return metric{Network, field, column, true, perSecond, factor, true}
	}
	return []metric{
		level(CPU, "usage_percent", "cpu_usage_percent"),
		level(CPU, "frequency_mhz", "cpu_frequency_mhz"),
		level(CPU, "temperature_celsius", "cpu_temperature_celsius"),
		level(CPU, "load_1m", "cpu_load_1m"),
		level(CPU, "pressure_percent", "cpu_pressure_percent"),
		last(CPU, "load_5m", "cpu_load_5m"),
		last(CPU, "load_15m", "cpu_load_15m"),
		last(CPU, "cores", "cpu_cores"),
		bytes(Memory, "used_bytes", "memory_used_bytes"),
		bytes(Memory, "available_bytes", "memory_available_bytes"),
		bytes(Memory, "swap_used_bytes", "swap_used_bytes"),
		level(Memory, "pressure_percent", "memory_pressure_percent"),
		last(Memory, "total_bytes", "memory_total_bytes"),
		last(Memory, "free_bytes", "memory_free_bytes"),
		last(Memory, "cached_bytes", "memory_cached_bytes"),
		last(Memory, "swap_total_bytes", "swap_total_bytes"),
		bytes(Disk, "used_bytes", "disk_used_bytes"),
		level(Disk, "read_iops", "disk_read_iops"),
		level(Disk, "write_iops", "disk_write_iops"),
		level(Disk, "read_throughput_mbps", "disk_read_mbps"),
		level(Disk, "write_throughput_mbps", "disk_write_mbps"),
		level(Disk, "pressure_percent", "disk_pressure_percent"),
		last(Disk, "total_bytes", "disk_total_bytes"),
		last(Disk, "free_bytes", "disk_free_bytes"),
		counter("total_bytes_in", "network_bytes_in", "in_mbps", 8e-6),
		counter("total_bytes_out", "network_bytes_out", "out_mbps", 8e-6),
		counter("packets_in", "network_packets_in", "packets_in_per_second", 1),
		counter("packets_out", "network_packets_out", "packets_out_per_second", 1),
		counter("errors_in", "network_errors_in", "errors_in_per_second", 1),
		counter("errors_out", "network_errors_out", "errors_out_per_second", 1),
		level(GPU, "usage_percent", "gpu_usage_percent"),
		level(GPU, "frequency_mhz", "gpu_frequency_mhz"),
		bytes(GPU, "memory_used_bytes", "gpu_memory_used_bytes"),
		level(GPU, "temperature_celsius", "gpu_temperature_celsius"),
		last(GPU, "memory_total_bytes", "gpu_memory_total_bytes"),
		level(Throttle, "under_voltage", "throttle_under_voltage"), // 1 and 0: the mean is a share of the time
		level(Throttle, "throttled", "throttle_throttled"),
		level(Board, "fan_rpm", "board_fan_rpm"),
		level(Board, "input_volts", "board_input_volts"),
		level(Board, "power_watts", "board_power_watts"),
	}
}

// metricsOf are those of one subject; of all without one.
func metricsOf(subject Subject) []metric {
	return slices.DeleteFunc(metrics(), func(m metric) bool { return subject != "" && m.subject != subject })
}

// rollupColumns are the columns of a rollup and what fills each from the
// samples of a bucket: s is one of them, l the newest.
func rollupColumns() (names, values []string) {
	for _, m := range metrics() {
		kind := "real"
		if m.whole {
			kind = "bigint"
		}
		if !m.lastOnly {
			for _, aggregate := range []string{"min", "avg", "max"} {
				names = append(names, m.column+"_"+aggregate)
				value := fmt.Sprintf("%s(s.%s)", aggregate, m.column)
				if aggregate == "avg" && !m.whole { // of a mean that a real cannot hold Postgres makes an error, not 0
					value = fmt.Sprintf("(CASE WHEN abs(%[1]s) < 1e-37 THEN 0 ELSE %[1]s END)", value)
				}
				values = append(values, value+"::"+kind)
			}
		}
		names, values = append(names, m.column+"_last"), append(values, "l."+m.column)
	}
	return names, values
}

// rollupStatement computes buckets of the single samples anew: those of nodes
// $1 from $2 until $3. Samples are never changed and dropped only by the day,
// after the rollups: so a bucket that counts more samples than the stored one
// is newer, one that counts as many is the same, and one that counts fewer has
// lost what the stored one still knows.
func rollupStatement(g Granularity) string {
	names, values := rollupColumns()
	var aggregates, aliases, lasts, sets []string
	for i, name := range names {
		if strings.HasPrefix(values[i], "l.") {
			lasts = append(lasts, values[i])
		} else {
			aggregates = append(aggregates, values[i]+" AS "+name)
			lasts = append(lasts, "x."+name)
		}
		sets = append(sets, name+" = excluded."+name)
		aliases = append(aliases, name)
	}
	return fmt.Sprintf(`INSERT INTO %[1]s AS t (node_no, at, samples, newest_at, %[2]s)
SELECT d.node_no, x.at, x.samples, x.newest_at, %[3]s
FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) AS d(node_no, from_at, to_at)
CROSS JOIN LATERAL (
	SELECT date_bin('%[4]d seconds', s.at, 'epoch') AS at, count(*) AS samples, max(s.at) AS newest_at, %[5]s
	FROM sample s WHERE s.node_no = d.node_no AND s.at >= d.from_at AND s.at < d.to_at GROUP BY 1
) x
CROSS JOIN LATERAL (
	SELECT * FROM sample s WHERE s.node_no = d.node_no AND s.at = x.newest_at ORDER BY s.run_no DESC, s.seq DESC LIMIT 1
) l
ON CONFLICT (node_no, at) DO UPDATE SET samples = excluded.samples, newest_at = excluded.newest_at, %[6]s
WHERE t.samples < excluded.samples`,
		g.table(), strings.Join(aliases, ", "), strings.Join(lasts, ", "), g.seconds(), strings.Join(aggregates, ", "), strings.Join(sets, ", "))
}
