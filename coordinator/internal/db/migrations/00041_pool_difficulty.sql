-- How hard the challenges of a pool's nodes are. Tables of package pool: pool.

-- +goose Up
ALTER TABLE pool ADD COLUMN challenge_difficulty smallint CHECK (challenge_difficulty BETWEEN 0 AND 40); -- null: nobody said

-- +goose Down
ALTER TABLE pool DROP COLUMN challenge_difficulty;
