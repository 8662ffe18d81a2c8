-- Tables of package node: rotation of root secrets.

-- +goose Up
ALTER TABLE node_key
    ADD COLUMN rotate_asked_at timestamptz, -- an operator wants it replaced
    ADD COLUMN offered_at      timestamptz, -- when its node was last offered the next one
    -- A rotation replaced it: it is good until retired_at, which is ahead. What
    -- revokes a key at once takes this away, whatever the clocks say.
    ADD COLUMN rotated        boolean NOT NULL DEFAULT false CHECK (NOT rotated OR retired_at IS NOT NULL);

CREATE INDEX node_key_age ON node_key (created_at) WHERE retired_at IS NULL;
CREATE INDEX node_key_asked ON node_key (rotate_asked_at) WHERE retired_at IS NULL AND rotate_asked_at IS NOT NULL;

ALTER TABLE node
    ADD COLUMN session_epoch integer NOT NULL DEFAULT 0, -- of the key that the session logged in with; 0: not known
    ADD COLUMN session_until timestamptz;                -- when that key ends; null: not yet decided
CREATE INDEX node_session_until ON node (session_until) WHERE online AND session_until IS NOT NULL;

ALTER TABLE node_command DROP CONSTRAINT node_command_kind_check,
    ADD CONSTRAINT node_command_kind_check CHECK (kind IN ('start', 'stop', 'refresh_info', 'rotate_key'));

-- The coordinator's half of an exchange, for as long as its command is open.
CREATE TABLE node_key_offer (
    node_no       integer PRIMARY KEY REFERENCES node,
    command_id    uuid NOT NULL UNIQUE REFERENCES node_command,
    key_epoch     integer NOT NULL,
    exchange_box  bytea NOT NULL, -- the private X25519 key, sealed
    x25519_public bytea NOT NULL CHECK (length(x25519_public) = 32),
    signature     bytea NOT NULL CHECK (length(signature) = 64)
);

-- +goose Down
DROP TABLE node_key_offer;
DELETE FROM node_command WHERE kind = 'rotate_key';
ALTER TABLE node_command DROP CONSTRAINT node_command_kind_check,
    ADD CONSTRAINT node_command_kind_check CHECK (kind IN ('start', 'stop', 'refresh_info'));
DROP INDEX node_session_until, node_key_asked, node_key_age;
ALTER TABLE node DROP COLUMN session_until, DROP COLUMN session_epoch;
ALTER TABLE node_key DROP COLUMN rotated, DROP COLUMN offered_at, DROP COLUMN rotate_asked_at;
