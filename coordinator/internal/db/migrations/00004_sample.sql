-- Tables of package sample: node_run, sample, sample_latest, dead_letter.

-- +goose Up
-- One row a start of an agent. The watermark (last_seq, chain) is committed
-- together with the samples that it covers: that makes a message sent again a
-- duplicate. last_at lets a run be forgotten once all its samples are.
CREATE TABLE node_run (
    run_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no     integer NOT NULL REFERENCES node,
    run_id      uuid NOT NULL,
    last_seq    bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    chain       bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
                CHECK (length(chain) = 32), -- running hash after last_seq
    chain_known boolean NOT NULL DEFAULT true, -- false once a message of the run was dead-lettered
    last_at     timestamptz NOT NULL, -- newest sample
    started_at  timestamptz NOT NULL, -- first message received
    UNIQUE (node_no, run_id)
) WITH (fillfactor = 50); -- the watermark moves with every commit: leave room for HOT updates

-- One row a sample, partitioned by day (sample_YYYYMMDD, UTC), null where the
-- machine did not say. The primary key is the read index and the last guard
-- that nothing is stored twice. No foreign keys: node_run, checked in the same
-- transaction, holds them, and a check a row would cost more than the row.
CREATE TABLE sample (
    at                         timestamptz NOT NULL,
    seq                        bigint NOT NULL,
    run_no                     bigint NOT NULL,
    memory_total_bytes         bigint,
    memory_used_bytes          bigint,
    memory_free_bytes          bigint,
    memory_available_bytes     bigint,
    memory_cached_bytes        bigint,
    swap_total_bytes           bigint,
    swap_used_bytes            bigint,
    disk_total_bytes           bigint,
    disk_used_bytes            bigint,
    disk_free_bytes            bigint,
    network_bytes_in           bigint, -- network counters rise from the machine's boot
    network_bytes_out          bigint,
    network_packets_in         bigint,
    network_packets_out        bigint,
    network_errors_in          bigint,
    network_errors_out         bigint,
    gpu_memory_used_bytes      bigint,
    gpu_memory_total_bytes     bigint,
    node_no                    integer NOT NULL,
    cpu_usage_percent          real,
    cpu_frequency_mhz          real,
    cpu_load_1m                real,
    cpu_load_5m                real,
    cpu_load_15m               real,
    cpu_temperature_celsius    real,
    disk_read_iops             real,
    disk_write_iops            real,
    disk_read_mbps             real, -- 1e6 bytes a second
    disk_write_mbps            real,
    gpu_usage_percent          real,
    gpu_temperature_celsius    real,
    cpu_cores                  smallint,
    chain                      bytea, -- running hash after a message; on its last sample only
    digest                     bytea, -- first 16 bytes of the message's SHA-256; on its last sample only
    PRIMARY KEY (node_no, at, run_no, seq)
) PARTITION BY RANGE (at);

-- The newest sample of each node, whole. Written about once a second.
CREATE TABLE sample_latest (
    node_no     integer PRIMARY KEY REFERENCES node,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    run_no      bigint NOT NULL,
    seq         bigint NOT NULL,
    body        json NOT NULL -- wire.Sample
) WITH (fillfactor = 50);

-- Messages that were acknowledged but are no data, newest kept. node_no is
-- null when the sender is not known.
CREATE TABLE dead_letter (
    letter_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no     integer REFERENCES node,
    received_at timestamptz NOT NULL,
    channel     text NOT NULL,
    reason      text NOT NULL,
    size_bytes  integer NOT NULL,
    payload     bytea NOT NULL -- its beginning
);
CREATE INDEX dead_letter_node ON dead_letter (node_no, letter_no DESC);

-- +goose Down
DROP TABLE dead_letter, sample_latest, sample, node_run;
