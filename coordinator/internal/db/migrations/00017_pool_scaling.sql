-- How busy and full a pool's nodes are, and how its policy scales it.
-- Tables of package pool: pool_usage, pool_scaling.

-- +goose Up
-- The newest measurement of each pool's nodes at work; null where none told.
CREATE TABLE pool_usage (
    pool_no            integer PRIMARY KEY REFERENCES pool,
    at                 timestamptz NOT NULL,
    measured           integer NOT NULL, -- nodes whose CPU is known
    cpu_percent        double precision, -- mean of those
    memory_used_bytes  bigint,           -- sums of the nodes that told both
    memory_total_bytes bigint,
    disk_used_bytes    bigint,
    disk_total_bytes   bigint
) WITH (fillfactor = 50);

-- What was decided about a pool's size, with all that it was decided by. What
-- is only held for the same reason as before moves checked_at of the row.
CREATE TABLE pool_scaling (
    scaling_no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_no        integer NOT NULL REFERENCES pool,
    at             timestamptz NOT NULL,
    checked_at     timestamptz NOT NULL,
    action         text NOT NULL CHECK (action IN ('up', 'down', 'hold')),
    reason         text NOT NULL,
    note           text NOT NULL DEFAULT '', -- of who asked for it
    actor          text NOT NULL,
    target         integer NOT NULL,
    working_before integer NOT NULL,
    working_after  integer NOT NULL,
    activated      text[] NOT NULL DEFAULT '{}',
    parked         text[] NOT NULL DEFAULT '{}',
    standby        integer NOT NULL,
    measured       integer NOT NULL,
    cpu_percent    double precision,
    policy         jsonb NOT NULL -- pool.auto_scaling and max_nodes at that time
);
CREATE INDEX pool_scaling_pool ON pool_scaling (pool_no, scaling_no DESC);
CREATE INDEX pool_scaling_checked ON pool_scaling (checked_at);

-- +goose Down
DROP TABLE pool_scaling, pool_usage;
