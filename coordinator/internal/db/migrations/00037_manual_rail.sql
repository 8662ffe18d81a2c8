-- The manual rail: what was handed out to be paid, and payments that failed.

-- +goose Up
CREATE TABLE payout_export (
    export_id  text PRIMARY KEY CHECK (export_id ~ '^export_[a-zA-Z0-9_-]+$'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);

-- What an export said, whatever becomes of its payouts. A try of a payout is
-- handed out once.
CREATE TABLE payout_export_line (
    export_id      text NOT NULL REFERENCES payout_export,
    payout_no      bigint NOT NULL REFERENCES payout,
    retry_count    integer NOT NULL,
    wallet_address text NOT NULL,
    net_amount     bigint NOT NULL CHECK (net_amount > 0), -- micro-USDT
    PRIMARY KEY (export_id, payout_no),
    UNIQUE (payout_no, retry_count)
);
CREATE TRIGGER payout_export_append_only BEFORE UPDATE OR DELETE ON payout_export FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_export_no_truncate BEFORE TRUNCATE ON payout_export FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_export_line_append_only BEFORE UPDATE OR DELETE ON payout_export_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_export_line_no_truncate BEFORE TRUNCATE ON payout_export_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Somebody says, with a proof, that a try of a payout was not paid and never
-- will be. A second person confirms it.
CREATE TABLE payout_failure (
    payout_no    bigint NOT NULL REFERENCES payout,
    retry_count  integer NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    proof        text NOT NULL CHECK (proof <> ''),
    reported_by  text NOT NULL,
    reported_at  timestamptz NOT NULL,
    confirmed_by text CHECK (confirmed_by <> reported_by),
    confirmed_at timestamptz,
    PRIMARY KEY (payout_no, retry_count),
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);
CREATE TRIGGER payout_failure_no_delete BEFORE DELETE ON payout_failure FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_failure_no_truncate BEFORE TRUNCATE ON payout_failure FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE payout_failure, payout_export_line, payout_export;
