-- Tables of package node: node grows what an operator says of it; node_command.

-- +goose Up
ALTER TABLE node
    ADD COLUMN location        jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN configuration   jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN labels          jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(labels) = 'object'),
    -- The ETag: rises with every change of what an operator may change.
    ADD COLUMN version         bigint NOT NULL DEFAULT 1,
    -- When a maintenance or an operator's suspension lifts itself; null: never.
    ADD COLUMN status_until    timestamptz CHECK (status_until IS NULL OR status IN ('maintenance', 'suspended')),
    -- What the agent last said of itself, and the newest command to it.
    ADD COLUMN agent_stopped   boolean NOT NULL DEFAULT false,
    ADD COLUMN command_version bigint NOT NULL DEFAULT 0,
    -- Which request made the node, by hashes; the same one again finds it.
    ADD COLUMN creation_key    bytea,
    ADD COLUMN creation_input  bytea,
    ADD CONSTRAINT node_creation CHECK ((creation_key IS NULL) = (creation_input IS NULL)),
    -- History and ledger of a deleted node stay, so its row does too.
    ADD COLUMN deleted_at      timestamptz,
    ADD CONSTRAINT node_deleted_left CHECK (deleted_at IS NULL OR pool_no IS NULL),
    ADD COLUMN search text NOT NULL GENERATED ALWAYS AS (
        lower(name || ' ' || node_id || ' ' || COALESCE(inventory ->> 'model', '') || ' ' || COALESCE(location ->> 'city', ''))) STORED;

-- A deleted node's name is free again.
ALTER TABLE node DROP CONSTRAINT node_name_key;
CREATE UNIQUE INDEX node_name_live ON node (name) WHERE deleted_at IS NULL;

CREATE UNIQUE INDEX node_creation_key ON node (creation_key);

-- The orders of the list; node_no tells equal keys apart.
CREATE INDEX node_by_created ON node (created_at, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_by_updated ON node (updated_at, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_by_name    ON node (name, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_by_score   ON node (poot_score, node_no) WHERE deleted_at IS NULL;
-- Its filters. Most nodes are active, online workers: there an order's index serves better.
CREATE INDEX node_by_status ON node (status, created_at, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_by_type   ON node (node_type, created_at, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_by_online ON node (online, created_at, node_no) WHERE deleted_at IS NULL;
CREATE INDEX node_labels    ON node USING gin (labels jsonb_path_ops);
-- What lifts itself, and who is connected though deleted: few rows.
CREATE INDEX node_lifting ON node (status_until) WHERE status_until IS NOT NULL;
CREATE INDEX node_deleted_online ON node (node_no) WHERE deleted_at IS NOT NULL AND online;
CREATE INDEX node_serial ON node (serial_hash) WHERE serial_hash <> '' AND deleted_at IS NULL;

-- Searching works without the extension (a server may lack its files, or the
-- role the right to create it), only slower.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX node_search ON node USING gin (search gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no index for searching nodes, which works but slowly: %; install pg_trgm (Debian: postgresql-contrib files) and create index node_search', SQLERRM;
END $$;
-- +goose StatementEnd

-- Commands to nodes. At most one that waits for its result a node.
CREATE TABLE node_command (
    command_id uuid PRIMARY KEY,
    node_no    integer NOT NULL REFERENCES node,
    version    bigint NOT NULL CHECK (version >= 1),
    kind       text NOT NULL CHECK (kind IN ('start', 'stop', 'refresh_info')),
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    sent_at    timestamptz, -- null until it was published
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'refused', 'expired', 'superseded')),
    reason     text NOT NULL DEFAULT '',
    ended_at   timestamptz,
    UNIQUE (node_no, version),
    CHECK (issued_at < expires_at),
    CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX node_command_open ON node_command (node_no) WHERE state = 'open';

-- +goose Down
DROP TABLE node_command;
DROP INDEX IF EXISTS node_search;
DROP INDEX node_name_live, node_creation_key, node_by_created, node_by_updated, node_by_name, node_by_score, node_by_status, node_by_type, node_by_online,
    node_labels, node_lifting, node_deleted_online, node_serial;
ALTER TABLE node
    DROP COLUMN search, DROP CONSTRAINT node_deleted_left, DROP CONSTRAINT node_creation, DROP COLUMN creation_input, DROP COLUMN creation_key, DROP COLUMN deleted_at, DROP COLUMN command_version,
    DROP COLUMN agent_stopped, DROP COLUMN status_until, DROP COLUMN version, DROP COLUMN labels, DROP COLUMN configuration,
    DROP COLUMN location;
ALTER TABLE node ADD CONSTRAINT node_name_key UNIQUE (name);
