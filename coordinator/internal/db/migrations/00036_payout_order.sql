-- Who asked for a payout, who approved it, batches, and the standing budget of
-- automatic rounds.

-- +goose Up
-- A call that made several payouts. dropped are the lines of a plan that were
-- left out, each with its reason.
CREATE TABLE payout_batch (
    batch_id   text PRIMARY KEY CHECK (batch_id ~ '^batch_[a-zA-Z0-9_-]+$'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    dropped    jsonb NOT NULL DEFAULT '[]'
);

ALTER TABLE payout ADD COLUMN created_by text NOT NULL DEFAULT 'system',
    ADD COLUMN needs_approval boolean NOT NULL DEFAULT false,
    ADD COLUMN approved_by text,
    ADD COLUMN approved_at timestamptz,
    ADD CONSTRAINT payout_batch_known FOREIGN KEY (batch_id) REFERENCES payout_batch,
    ADD CONSTRAINT payout_approval CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> created_by),
    ADD CONSTRAINT payout_approved CHECK (NOT needs_approval OR approved_by IS NOT NULL OR status IN ('pending', 'cancelled'));
CREATE INDEX payout_creator ON payout (created_by, created_at);
CREATE INDEX payout_batched ON payout (batch_id) WHERE batch_id IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION payout_order_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.created_by, NEW.needs_approval, coalesce(NEW.batch_id, '')) <> (OLD.created_by, OLD.needs_approval, coalesce(OLD.batch_id, ''))
       OR OLD.approved_by IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by THEN
        RAISE EXCEPTION 'payout %: who asked for it, whether it needs approval and who gave it never change', OLD.payout_id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payout_order BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION payout_order_fixed();

-- What a call with an Idempotency-Key made: hashes of whose it is and its key,
-- and of what it asked for.
CREATE TABLE payout_request (
    request_key bytea PRIMARY KEY CHECK (length(request_key) = 32),
    input       bytea NOT NULL CHECK (length(input) = 32),
    made        text NOT NULL,
    at          timestamptz NOT NULL
);

-- What automatic rounds may spend in 24 hours; the open row holds.
CREATE TABLE payout_budget (
    budget_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    per_day     bigint NOT NULL CHECK (per_day > 0), -- micro-USDT
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX payout_budget_open ON payout_budget ((true)) WHERE ended_at IS NULL;

-- +goose Down
DROP TABLE payout_budget, payout_request;
DROP TRIGGER payout_order ON payout;
DROP FUNCTION payout_order_fixed;
ALTER TABLE payout DROP CONSTRAINT payout_batch_known, DROP CONSTRAINT payout_approval, DROP CONSTRAINT payout_approved,
    DROP COLUMN created_by, DROP COLUMN needs_approval, DROP COLUMN approved_by, DROP COLUMN approved_at;
DROP INDEX payout_batched;
DROP TABLE payout_batch;
