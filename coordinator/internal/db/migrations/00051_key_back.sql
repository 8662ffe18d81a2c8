-- A node that comes back to a key which a restored database brought back is told
-- of once for that key, whoever had asked for another. Tables of package node:
-- node_key.

-- +goose Up
ALTER TABLE node_key ADD COLUMN back_at timestamptz; -- when its node came back to it from a newer one; null: it never did

-- +goose Down
ALTER TABLE node_key DROP COLUMN back_at;
