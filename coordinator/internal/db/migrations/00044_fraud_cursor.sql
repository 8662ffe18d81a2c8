-- How far the judge has looked at second answers. Tables of package fraud:
-- fraud_cursor. challenge_second_answer can be read by time.

-- +goose Up
ALTER TABLE fraud_cursor ADD COLUMN seconds_at timestamptz NOT NULL DEFAULT 'epoch'; -- what is older was looked at
CREATE INDEX challenge_second_answer_at ON challenge_second_answer (at);

-- +goose Down
DROP INDEX challenge_second_answer_at;
ALTER TABLE fraud_cursor DROP COLUMN seconds_at;
