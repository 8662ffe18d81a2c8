-- What a pool allows, wants and is worth: settings, placement, health.
-- Tables of package pool: pool, pool_membership, pool_health.

-- +goose Up
ALTER TABLE pool
    ADD COLUMN resource_limits jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN auto_scaling    jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN scales          boolean NOT NULL GENERATED ALWAYS AS (auto_scaling @> '{"enabled": true}') STORED,
    -- Which nodes the pool is meant for; an empty list takes any.
    ADD COLUMN node_types      text[] NOT NULL DEFAULT '{}'
        CHECK (node_types <@ '{worker,validator,storage,compute}'::text[]),
    ADD COLUMN regions         text[] NOT NULL DEFAULT '{}',
    ADD COLUMN version         bigint NOT NULL DEFAULT 1, -- of the settings; rises with each change of them
    -- A deleted pool stays: memberships, epochs and the ledger speak of it.
    ADD COLUMN deleted_at      timestamptz CHECK (deleted_at >= created_at),
    ADD CONSTRAINT pool_deleted_empty CHECK (deleted_at IS NULL OR node_count = 0);

-- The name of a deleted pool is free again; its id never is.
ALTER TABLE pool DROP CONSTRAINT pool_name_key;
CREATE UNIQUE INDEX pool_live_name ON pool (name) WHERE deleted_at IS NULL;
CREATE INDEX pool_live_scales ON pool (scales, name) WHERE deleted_at IS NULL;

-- Searching works without the extension, only slower.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX pool_search ON pool USING gin (lower(name || ' ' || pool_id) gin_trgm_ops) WHERE deleted_at IS NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no index for searching pools, which works but slowly: %; install pg_trgm and create index pool_search', SQLERRM;
END $$;
-- +goose StatementEnd

-- 100 is the first to be activated and the last to be parked or moved.
ALTER TABLE pool_membership
    ADD COLUMN priority smallint NOT NULL DEFAULT 50 CHECK (priority BETWEEN 1 AND 100);

-- How a pool is, since when: a new row when state or reasons change. The
-- numbers are those of the newest check that found them so.
CREATE TABLE pool_health (
    pool_no    integer NOT NULL REFERENCES pool,
    at         timestamptz NOT NULL,
    checked_at timestamptz NOT NULL CHECK (checked_at >= at),
    state      text NOT NULL CHECK (state IN ('healthy', 'degraded', 'critical')),
    reasons    text[] NOT NULL,
    online     integer NOT NULL CHECK (online BETWEEN 0 AND nodes),
    nodes      integer NOT NULL, -- those that are expected to be online
    score      bigint CHECK (score BETWEEN 0 AND 1000000000), -- mean, 1e9 = 100 points; null without any scored
    PRIMARY KEY (pool_no, at)
);
CREATE INDEX pool_health_at ON pool_health (at);

-- +goose Down
DROP TABLE pool_health;
ALTER TABLE pool_membership DROP COLUMN priority;
DROP INDEX IF EXISTS pool_search;
DROP INDEX pool_live_scales, pool_live_name;
DELETE FROM pool WHERE deleted_at IS NOT NULL; -- refused while history speaks of one
ALTER TABLE pool
    DROP CONSTRAINT pool_deleted_empty,
    DROP COLUMN deleted_at, DROP COLUMN version, DROP COLUMN regions, DROP COLUMN node_types,
    DROP COLUMN scales, DROP COLUMN auto_scaling, DROP COLUMN resource_limits,
    ADD CONSTRAINT pool_name_key UNIQUE (name);
