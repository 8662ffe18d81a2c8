-- Verdicts counted up by the hour, so that statistics of a month read no verdict of
-- it singly. Tables of package score: verdict_hour, verdict_hour_through.

-- +goose Up
CREATE TABLE verdict_hour (
    hour        timestamptz NOT NULL,
    result      text NOT NULL,
    answered_ms integer NOT NULL, -- -1: no answer
    verdicts    bigint NOT NULL CHECK (verdicts > 0),
    PRIMARY KEY (hour, result, answered_ms)
);
CREATE TABLE verdict_hour_through (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    through timestamptz -- every hour before is counted; null: none yet
);
INSERT INTO verdict_hour_through DEFAULT VALUES;

-- +goose Down
DROP TABLE verdict_hour_through, verdict_hour;
