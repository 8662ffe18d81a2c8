-- Tables of package challenge: challenge_cohort, challenge_second_answer; challenge,
-- challenge_schedule and verdict grow what cohorts need and what rules about fraud look at.

-- +goose Up
-- Many nodes that were challenged in one instant.
CREATE TABLE challenge_cohort (
    cohort_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    nodes     integer NOT NULL CHECK (nodes > 0)
);

ALTER TABLE challenge
    ADD COLUMN cohort_no  bigint REFERENCES challenge_cohort, -- null: asked alone
    ADD COLUMN difficulty smallint CHECK (difficulty BETWEEN 0 AND 40), -- null: before this was kept
    ADD COLUMN puzzles    smallint CHECK (puzzles BETWEEN 1 AND 64);
CREATE INDEX challenge_in_cohort ON challenge (cohort_no) WHERE cohort_no IS NOT NULL;

-- A node that did not answer a cohort in time is in the next one.
ALTER TABLE challenge_schedule ADD COLUMN cohort_owed boolean NOT NULL DEFAULT false;

-- Of the answer that was judged; all null without one, and in rows that are older.
ALTER TABLE verdict
    ADD COLUMN address      inet, -- null also where a broker of another knows it alone
    ADD COLUMN boot_id      uuid,
    ADD COLUMN boot_time_ms bigint, -- CLOCK_BOOTTIME
    ADD COLUMN run_id       bytea CHECK (length(run_id) = 16),
    ADD COLUMN run_seq      bigint, -- last message of the run that the node knew as acknowledged
    ADD COLUMN throttle     bigint; -- bits of the firmware's get_throttled

-- A second, different answer under a good MAC from the session that was asked, the first of each challenge.
CREATE TABLE challenge_second_answer (
    challenge_id uuid PRIMARY KEY REFERENCES challenge,
    node_no      integer NOT NULL REFERENCES node,
    at           timestamptz NOT NULL,
    response     bytea NOT NULL
);
CREATE INDEX challenge_second_answer_node ON challenge_second_answer (node_no, at);
CREATE TRIGGER challenge_second_answer_append_only BEFORE UPDATE OR DELETE ON challenge_second_answer FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE challenge_second_answer;
ALTER TABLE verdict DROP COLUMN throttle, DROP COLUMN run_seq, DROP COLUMN run_id, DROP COLUMN boot_time_ms, DROP COLUMN boot_id, DROP COLUMN address;
ALTER TABLE challenge_schedule DROP COLUMN cohort_owed;
ALTER TABLE challenge DROP COLUMN puzzles, DROP COLUMN difficulty, DROP COLUMN cohort_no;
DROP TABLE challenge_cohort;
