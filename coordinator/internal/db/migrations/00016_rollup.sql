-- Rollups of samples. Tables of package sample: sample_1m, sample_5m, sample_15m,
-- sample_1h, sample_due; node_run learns what is not rolled up yet.

-- +goose Up
-- Which samples of a run the rollups do not know of is told by its watermark:
-- those after marked_seq. None of them is older than changed_from, as long as
-- changed_seq is last_seq: else a version that knows no rollups took some in,
-- and nothing is known. The transaction that stores samples moves last_seq
-- anyhow, so marking costs no further row.
ALTER TABLE node_run
    ADD COLUMN marked_seq   bigint NOT NULL DEFAULT 0,
    ADD COLUMN changed_seq  bigint NOT NULL DEFAULT 0,
    ADD COLUMN changed_from timestamptz;

-- What is to be rolled up: buckets of so many seconds, from from_at until to_at.
CREATE TABLE sample_due (
    seconds integer NOT NULL,
    node_no integer NOT NULL, -- node_run holds the reference
    from_at timestamptz NOT NULL,
    to_at   timestamptz NOT NULL CHECK (to_at > from_at),
    PRIMARY KEY (seconds, node_no, from_at)
);

-- One row a node and bucket: least, mean, greatest and last figure of what
-- goes up and down, the last one of what only rises or hardly changes. The last
-- figures are those of the newest sample; null where it lacks one.
CREATE TABLE sample_1m (
    at                              timestamptz NOT NULL, -- beginning of the bucket
    newest_at                       timestamptz NOT NULL, -- time of its newest sample, whose figures are the last ones
    memory_used_bytes_min           bigint,
    memory_used_bytes_avg           bigint,
    memory_used_bytes_max           bigint,
    memory_used_bytes_last          bigint,
    memory_available_bytes_min      bigint,
    memory_available_bytes_avg      bigint,
    memory_available_bytes_max      bigint,
    memory_available_bytes_last     bigint,
    swap_used_bytes_min             bigint,
    swap_used_bytes_avg             bigint,
    swap_used_bytes_max             bigint,
    swap_used_bytes_last            bigint,
    disk_used_bytes_min             bigint,
    disk_used_bytes_avg             bigint,
    disk_used_bytes_max             bigint,
    disk_used_bytes_last            bigint,
    gpu_memory_used_bytes_min       bigint,
    gpu_memory_used_bytes_avg       bigint,
    gpu_memory_used_bytes_max       bigint,
    gpu_memory_used_bytes_last      bigint,
    memory_total_bytes_last         bigint,
    memory_free_bytes_last          bigint,
    memory_cached_bytes_last        bigint,
    swap_total_bytes_last           bigint,
    disk_total_bytes_last           bigint,
    disk_free_bytes_last            bigint,
    gpu_memory_total_bytes_last     bigint,
    network_bytes_in_last           bigint,
    network_bytes_out_last          bigint,
    network_packets_in_last         bigint,
    network_packets_out_last        bigint,
    network_errors_in_last          bigint,
    network_errors_out_last         bigint,
    node_no                         integer NOT NULL,
    samples                         integer NOT NULL CHECK (samples > 0), -- how many samples lie in the bucket
    cpu_usage_percent_min           real,
    cpu_usage_percent_avg           real,
    cpu_usage_percent_max           real,
    cpu_usage_percent_last          real,
    cpu_frequency_mhz_min           real,
    cpu_frequency_mhz_avg           real,
    cpu_frequency_mhz_max           real,
    cpu_frequency_mhz_last          real,
    cpu_load_1m_min                 real,
    cpu_load_1m_avg                 real,
    cpu_load_1m_max                 real,
    cpu_load_1m_last                real,
    cpu_temperature_celsius_min     real,
    cpu_temperature_celsius_avg     real,
    cpu_temperature_celsius_max     real,
    cpu_temperature_celsius_last    real,
    disk_read_iops_min              real,
    disk_read_iops_avg              real,
    disk_read_iops_max              real,
    disk_read_iops_last             real,
    disk_write_iops_min             real,
    disk_write_iops_avg             real,
    disk_write_iops_max             real,
    disk_write_iops_last            real,
    disk_read_mbps_min              real,
    disk_read_mbps_avg              real,
    disk_read_mbps_max              real,
    disk_read_mbps_last             real,
    disk_write_mbps_min             real,
    disk_write_mbps_avg             real,
    disk_write_mbps_max             real,
    disk_write_mbps_last            real,
    gpu_usage_percent_min           real,
    gpu_usage_percent_avg           real,
    gpu_usage_percent_max           real,
    gpu_usage_percent_last          real,
    gpu_temperature_celsius_min     real,
    gpu_temperature_celsius_avg     real,
    gpu_temperature_celsius_max     real,
    gpu_temperature_celsius_last    real,
    cpu_load_5m_last                real,
    cpu_load_15m_last               real,
    cpu_cores_last                  smallint,
    PRIMARY KEY (node_no, at)
) PARTITION BY RANGE (at);
CREATE TABLE sample_5m (LIKE sample_1m INCLUDING ALL) PARTITION BY RANGE (at);
CREATE TABLE sample_15m (LIKE sample_1m INCLUDING ALL) PARTITION BY RANGE (at);
CREATE TABLE sample_1h (LIKE sample_1m INCLUDING ALL) PARTITION BY RANGE (at);

-- +goose Down
DROP TABLE sample_1h, sample_15m, sample_5m, sample_1m, sample_due;
ALTER TABLE node_run DROP COLUMN changed_from, DROP COLUMN changed_seq, DROP COLUMN marked_seq;
