-- Rows that may be added only, and could still be emptied at once. Tables of
-- package score: score_change. Tables of package challenge: challenge_second_answer.

-- +goose Up
CREATE TRIGGER score_change_no_truncate BEFORE TRUNCATE ON score_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER challenge_second_answer_no_truncate BEFORE TRUNCATE ON challenge_second_answer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TRIGGER challenge_second_answer_no_truncate ON challenge_second_answer;
DROP TRIGGER score_change_no_truncate ON score_change;
