-- What a hold was made by when it was last found so.

-- +goose Up
-- Null: it was found once, by what stands in the other columns. Working, standby and
-- measured nodes, CPU and policy, as those columns have them.
ALTER TABLE pool_scaling ADD COLUMN checked_inputs jsonb;

-- +goose Down
ALTER TABLE pool_scaling DROP COLUMN checked_inputs;
