-- When a pool had been scaled before a decision: its cooldown counts from there.

-- +goose Up
-- Null: never within what is kept, or decided by a coordinator that did not note it.
ALTER TABLE pool_scaling ADD COLUMN last_scaled_at timestamptz;
CREATE INDEX pool_scaling_change ON pool_scaling (pool_no, scaling_no DESC) WHERE action <> 'hold';

-- +goose Down
DROP INDEX pool_scaling_change;
ALTER TABLE pool_scaling DROP COLUMN last_scaled_at;
