-- Tables of package fraud: fraud_flag, fraud_appeal, fraud_decision, fraud_hold,
-- fraud_memory, fraud_boot, fraud_cursor. Ledger entries may forfeit.

-- +goose Up
-- What a rule found against a node, with the evidence it went by. Never changed:
-- an appeal and a decision are rows of their own.
CREATE TABLE fraud_flag (
    flag_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no      integer NOT NULL REFERENCES node,
    rule         text NOT NULL CHECK (rule <> ''),
    rule_version integer NOT NULL CHECK (rule_version >= 1),
    layer        smallint NOT NULL CHECK (layer BETWEEN 0 AND 5),
    severity     text NOT NULL CHECK (severity IN ('notice', 'warning', 'critical')),
    subject      text NOT NULL, -- what it is about: the same is found once
    evidence     jsonb NOT NULL,
    at           timestamptz NOT NULL, -- of the evidence
    found_at     timestamptz NOT NULL,
    UNIQUE (rule, node_no, subject)
);
CREATE INDEX fraud_flag_node ON fraud_flag (node_no, flag_no DESC);

CREATE TABLE fraud_appeal (
    flag_no     bigint PRIMARY KEY REFERENCES fraud_flag,
    text        text NOT NULL CHECK (text <> ''),
    appealed_by text NOT NULL,
    at          timestamptz NOT NULL
);

CREATE TABLE fraud_decision (
    flag_no    bigint PRIMARY KEY REFERENCES fraud_flag,
    decision   text NOT NULL CHECK (decision IN ('dismissed', 'confirmed')),
    reason     text NOT NULL CHECK (reason <> ''),
    decided_by text NOT NULL,
    at         timestamptz NOT NULL
);

CREATE TRIGGER fraud_flag_append_only BEFORE UPDATE OR DELETE ON fraud_flag FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_flag_no_truncate BEFORE TRUNCATE ON fraud_flag FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_appeal_append_only BEFORE UPDATE OR DELETE ON fraud_appeal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_appeal_no_truncate BEFORE TRUNCATE ON fraud_appeal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_decision_append_only BEFORE UPDATE OR DELETE ON fraud_decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_decision_no_truncate BEFORE TRUNCATE ON fraud_decision FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- When a node's money was held for fraud. It ends by decision only.
CREATE TABLE fraud_hold (
    hold_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no integer NOT NULL REFERENCES node,
    from_at timestamptz NOT NULL,
    to_at   timestamptz CHECK (to_at >= from_at),
    outcome text CHECK (outcome IN ('released', 'confirmed')),
    CHECK ((to_at IS NULL) = (outcome IS NULL))
);
CREATE UNIQUE INDEX fraud_hold_open ON fraud_hold (node_no) WHERE to_at IS NULL;

-- What the rules remember of a node's answers. It follows from the verdicts.
CREATE TABLE fraud_memory (
    node_no integer PRIMARY KEY REFERENCES node,
    body    jsonb NOT NULL
) WITH (fillfactor = 70);

-- Which nodes proved themselves on a boot of a machine.
CREATE TABLE fraud_boot (
    boot_id  text NOT NULL,
    node_no  integer NOT NULL REFERENCES node,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (boot_id, node_no)
);
CREATE INDEX fraud_boot_last ON fraud_boot (last_at);

-- Verdicts up to this one were seen, and no earlier one can become visible.
CREATE TABLE fraud_cursor (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    verdict_no bigint NOT NULL
);
INSERT INTO fraud_cursor (verdict_no) SELECT COALESCE(max(verdict_no), 0) FROM verdict;

ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void', 'forfeit'));

-- +goose Down
ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void'));
DROP TABLE fraud_cursor, fraud_boot, fraud_memory, fraud_hold, fraud_decision, fraud_appeal, fraud_flag;
