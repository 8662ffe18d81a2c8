-- Tables of package challenge: how hard each node's puzzles are, and how often it deferred.

-- +goose Up
ALTER TABLE challenge_schedule
    ADD COLUMN tuned_bits  smallint NOT NULL DEFAULT 0 CHECK (tuned_bits BETWEEN 0 AND 40), -- 0: never answered
    ADD COLUMN tuned_model text NOT NULL DEFAULT '', -- what it said it is when that was measured
    ADD COLUMN tuned_ms    bigint NOT NULL DEFAULT 0 CHECK (tuned_ms >= 0), -- all answers since the last change of bits took
    ADD COLUMN tuned_seen  smallint NOT NULL DEFAULT 0 CHECK (tuned_seen >= 0); -- and how many they are
CREATE INDEX verdict_deferred ON verdict (node_no, at) WHERE result = 'deferred';

-- +goose Down
DROP INDEX verdict_deferred;
ALTER TABLE challenge_schedule DROP COLUMN tuned_seen, DROP COLUMN tuned_ms, DROP COLUMN tuned_model, DROP COLUMN tuned_bits;
