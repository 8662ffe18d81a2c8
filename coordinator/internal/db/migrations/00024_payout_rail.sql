-- By which rail a payout is paid, to which address, and what stops them all.

-- +goose Up
ALTER TABLE payout ADD COLUMN rail text CHECK (rail IN ('manual', 'tron')); -- from processing on

-- The queue, in its order.
CREATE INDEX payout_queue ON payout ((CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END), payout_no)
    WHERE status = 'pending';
CREATE INDEX payout_transaction ON payout (transaction_hash) WHERE transaction_hash IS NOT NULL;

-- While one of these is not lifted, no payout begins to be paid.
CREATE TABLE payout_halt (
    halt_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason    text NOT NULL CHECK (reason <> ''),
    halted_by text NOT NULL,
    halted_at timestamptz NOT NULL,
    lifted_by text,
    lifted_at timestamptz,
    CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
);
CREATE UNIQUE INDEX payout_halt_open ON payout_halt (reason) WHERE lifted_at IS NULL;
CREATE TRIGGER payout_halt_no_delete BEFORE DELETE ON payout_halt FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_halt_no_truncate BEFORE TRUNCATE ON payout_halt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The address is fixed when paying begins: until then it may become another one.
-- +goose StatementBegin
CREATE FUNCTION payout_address_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.wallet_address <> OLD.wallet_address AND (OLD.status, NEW.status) <> ('pending', 'processing') THEN
        RAISE EXCEPTION 'payout %: its address changes only when it begins to be paid', OLD.payout_id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payout_address BEFORE UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION payout_address_fixed();

-- A node's payout address that was changed waits: until due, the one before is
-- paid to. changed_at is null while it never had another.
ALTER TABLE node ADD COLUMN payout_address_before text NOT NULL DEFAULT '',
    ADD COLUMN payout_address_due timestamptz,
    ADD COLUMN payout_address_changed_at timestamptz;

-- Whom a node is paid at that time; empty for nobody.
-- +goose StatementBegin
CREATE FUNCTION effective_payout_address(address text, before text, due timestamptz, at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN due > at THEN before ELSE address END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION effective_payout_address;
ALTER TABLE node DROP COLUMN payout_address_before, DROP COLUMN payout_address_due, DROP COLUMN payout_address_changed_at;
DROP TRIGGER payout_address ON payout;
DROP FUNCTION payout_address_fixed;
DROP TABLE payout_halt;
DROP INDEX payout_queue, payout_transaction;
ALTER TABLE payout DROP COLUMN rail;
