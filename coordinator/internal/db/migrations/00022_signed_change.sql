-- Table of package node: changes that a node's device key signed.

-- +goose Up
-- When the newest one was signed, by the machine's clock; none at or before it is taken.
ALTER TABLE node ADD COLUMN signed_change_ms bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE node DROP COLUMN signed_change_ms;
