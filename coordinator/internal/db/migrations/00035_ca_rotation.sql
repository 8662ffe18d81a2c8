-- Table of package authority: ca_rotation. Table of package node: what each
-- node was told of where the coordinator is.

-- +goose Up
-- CAs that follow the first one.
CREATE TABLE ca_rotation (
    secret_name  text PRIMARY KEY,
    announced_at timestamptz NOT NULL, -- trusted beside the one before
    issues_from  timestamptz NOT NULL UNIQUE,
    old_until    timestamptz NOT NULL, -- the one before is not trusted any more
    CHECK (announced_at < issues_from AND issues_from < old_until)
);

ALTER TABLE node
    ADD COLUMN told_places    bytea,       -- hash of the addresses and CAs that it has; null: not known
    ADD COLUMN telling_places bytea,       -- of those in the newest move
    ADD COLUMN telling_at     timestamptz; -- when it was sent that

ALTER TABLE node_command DROP CONSTRAINT node_command_kind_check,
    ADD CONSTRAINT node_command_kind_check CHECK (kind IN ('start', 'stop', 'refresh_info', 'rotate_key', 'move'));

-- +goose Down
DELETE FROM node_command WHERE kind = 'move';
ALTER TABLE node_command DROP CONSTRAINT node_command_kind_check,
    ADD CONSTRAINT node_command_kind_check CHECK (kind IN ('start', 'stop', 'refresh_info', 'rotate_key'));
ALTER TABLE node DROP COLUMN telling_at, DROP COLUMN telling_places, DROP COLUMN told_places;
DROP TABLE ca_rotation;
