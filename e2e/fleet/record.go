package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// recorded is one sample as the database keeps it, in the form in which a
// message carries it. Parts that a machine did not give are null; lists of
// filesystems, interfaces and cores are not kept, nor what no chart shows.
const recorded = `SELECT json_build_object('at_ms', floor(extract(epoch FROM at) * 1000)::bigint,
	'cpu', CASE WHEN cpu_cores IS NOT NULL THEN json_build_object('usage_percent', cpu_usage_percent, 'cores', cpu_cores,
		'frequency_mhz', cpu_frequency_mhz, 'load_average', json_build_array(cpu_load_1m, cpu_load_5m, cpu_load_15m),
		'temperature_celsius', cpu_temperature_celsius, 'pressure_percent', cpu_pressure_percent) END,
	'memory', CASE WHEN memory_total_bytes IS NOT NULL THEN json_build_object('total_bytes', memory_total_bytes,
		'used_bytes', memory_used_bytes, 'free_bytes', memory_free_bytes, 'available_bytes', memory_available_bytes,
		'cached_bytes', memory_cached_bytes, 'swap_total_bytes', swap_total_bytes, 'swap_used_bytes', swap_used_bytes,
		'pressure_percent', memory_pressure_percent) END,
	'disk', CASE WHEN disk_total_bytes IS NOT NULL THEN json_build_object('total_bytes', disk_total_bytes,
		'used_bytes', disk_used_bytes, 'free_bytes', disk_free_bytes, 'read_iops', disk_read_iops, 'write_iops', disk_write_iops,
		'read_throughput_mbps', disk_read_mbps, 'write_throughput_mbps', disk_write_mbps,
		'pressure_percent', disk_pressure_percent) END,
	'network', CASE WHEN network_bytes_in IS NOT NULL THEN json_build_object('total_bytes_in', network_bytes_in,
		'total_bytes_out', network_bytes_out, 'packets_in', network_packets_in, 'packets_out', network_packets_out,
		'errors_in', network_errors_in, 'errors_out', network_errors_out) END,
	'gpu', CASE WHEN num_nonnulls(gpu_usage_percent, gpu_memory_used_bytes, gpu_memory_total_bytes, gpu_temperature_celsius, gpu_frequency_mhz) > 0
		THEN json_build_object('usage_percent', gpu_usage_percent, 'memory_used_bytes', gpu_memory_used_bytes,
		'memory_total_bytes', gpu_memory_total_bytes, 'temperature_celsius', gpu_temperature_celsius, 'frequency_mhz', gpu_frequency_mhz) END,
	'throttle', CASE WHEN num_nonnulls(throttle_under_voltage, throttle_throttled) > 0
		THEN json_build_object('under_voltage', throttle_under_voltage > 0, 'throttled', throttle_throttled > 0) END,
	'board', CASE WHEN num_nonnulls(board_fan_rpm, board_input_volts, board_power_watts) > 0
		THEN json_build_object('fan_rpm', board_fan_rpm, 'input_volts', board_input_volts, 'power_watts', board_power_watts) END)::text
FROM sample JOIN node USING (node_no) WHERE node_id = $1 ORDER BY at, run_no, seq`

// Record writes all samples that the database has of a node, oldest first, as
// ReadRecording reads them, and gives their number.
func Record(ctx context.Context, database, nodeID string, to io.Writer) (samples int, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, recorded, nodeID)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(to)
	var line string
	_, err = pgx.ForEachRow(rows, []any{&line}, func() error {
		samples++
		_, err := fmt.Fprintln(out, line)
		return err
	})
	if err != nil {
		return samples, err
	}
	if samples == 0 {
		return 0, fmt.Errorf("the database has no samples of %s", nodeID)
	}
	return samples, out.Flush()
}
