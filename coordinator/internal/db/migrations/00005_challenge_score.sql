-- Tables of package challenge: challenge, challenge_schedule, verdict.
-- Tables of package score: score, score_change.

-- +goose Up
CREATE TABLE challenge (
    challenge_id uuid PRIMARY KEY,
    node_no      integer NOT NULL REFERENCES node,
    key_epoch    integer NOT NULL,
    session_no   bigint NOT NULL,
    issued_at    timestamptz NOT NULL,
    deadline_at  timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    canonical    bytea NOT NULL, -- what the node was sent, MAC included
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'judged')),
    CHECK (issued_at < deadline_at AND deadline_at <= expires_at)
);
-- One open challenge a node.
CREATE UNIQUE INDEX challenge_open ON challenge (node_no) WHERE state = 'open';

CREATE TABLE challenge_schedule (
    node_no integer PRIMARY KEY REFERENCES node,
    next_at timestamptz NOT NULL
);

CREATE TABLE verdict (
    verdict_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    challenge_id uuid NOT NULL UNIQUE REFERENCES challenge,
    node_no      integer NOT NULL REFERENCES node,
    at           timestamptz NOT NULL,
    result       text NOT NULL CHECK (result IN ('valid', 'invalid', 'late', 'missed', 'deferred', 'void')),
    reason       text NOT NULL DEFAULT '',
    rule_version integer NOT NULL,
    answered_ms  integer, -- receipt minus issue; null without an answer
    response     bytea
);
CREATE INDEX verdict_node ON verdict (node_no, verdict_no DESC);

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused; write a correcting row', TG_TABLE_NAME, TG_OP;
END $$;
-- +goose StatementEnd
CREATE TRIGGER verdict_append_only BEFORE UPDATE OR DELETE ON verdict FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER verdict_no_truncate BEFORE TRUNCATE ON verdict FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Reputation counters and the score that they give; all scaled by 1e9.
CREATE TABLE score (
    node_no      integer PRIMARY KEY REFERENCES node,
    reputation_a bigint NOT NULL,
    reputation_b bigint NOT NULL,
    timely_a     bigint NOT NULL,
    timely_b     bigint NOT NULL,
    verdicts     bigint NOT NULL,
    verdict_no   bigint NOT NULL DEFAULT 0, -- last verdict counted
    score        bigint NOT NULL,
    confidence   bigint NOT NULL,
    factors      jsonb NOT NULL,
    rule_version integer NOT NULL,
    vetted_at    timestamptz,
    calculated_at timestamptz NOT NULL
);

CREATE TABLE score_change (
    change_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no     integer NOT NULL REFERENCES node,
    verdict_no  bigint NOT NULL UNIQUE REFERENCES verdict,
    at          timestamptz NOT NULL,
    before      bigint NOT NULL,
    after       bigint NOT NULL,
    factors     jsonb NOT NULL, -- after the change, with the counters
    reason      text NOT NULL
);
CREATE INDEX score_change_node ON score_change (node_no, at DESC);
CREATE TRIGGER score_change_append_only BEFORE UPDATE OR DELETE ON score_change FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE score_change, score, verdict, challenge_schedule, challenge;
DROP FUNCTION refuse_change;
