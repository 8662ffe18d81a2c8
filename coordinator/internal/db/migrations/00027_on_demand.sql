-- Tables of package challenge: challenge, challenge_schedule and verdict grow what challenges on
-- demand, outside checks of answers and the quality of a node need.

-- +goose Up
ALTER TABLE challenge
    ADD COLUMN demanded boolean NOT NULL DEFAULT false, -- asked for by a caller of the API
    ADD COLUMN counted  boolean NOT NULL DEFAULT true,  -- false: so soon after another one on demand that the score leaves it out
    ADD COLUMN attempts smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0); -- outside checks of answers to it
CREATE INDEX challenge_demanded ON challenge (node_no, issued_at) WHERE demanded;

ALTER TABLE challenge_schedule ADD COLUMN demanded_at timestamptz; -- not null: at the next round

ALTER TABLE verdict
    ADD COLUMN counted   boolean NOT NULL DEFAULT true,
    -- What quality is made of, at 1e-9; null: says nothing, and in rows that are older.
    ADD COLUMN prompt    bigint CHECK (prompt BETWEEN 0 AND 1000000000),
    ADD COLUMN telemetry bigint CHECK (telemetry BETWEEN 0 AND 1000000000);
CREATE INDEX verdict_at ON verdict (at);

-- +goose Down
DROP INDEX verdict_at;
ALTER TABLE verdict DROP COLUMN telemetry, DROP COLUMN prompt, DROP COLUMN counted;
ALTER TABLE challenge_schedule DROP COLUMN demanded_at;
DROP INDEX challenge_demanded;
ALTER TABLE challenge DROP COLUMN attempts, DROP COLUMN counted, DROP COLUMN demanded;
