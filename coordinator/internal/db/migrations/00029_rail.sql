-- Tables of package rail: rail_attempt, rail_deferral, rail_state, rail_outflow.
-- And the ledger's accounts of what the paying wallet holds.

-- +goose Up
-- An account's kind says its asset.
ALTER TABLE account DROP CONSTRAINT account_kind_check, DROP CONSTRAINT account_asset_check, DROP CONSTRAINT account_check,
    ADD CONSTRAINT account_kind_check CHECK (kind IN ('pool_expense', 'unallocated', 'payable', 'held', 'in_flight',
        'paid_out', 'fee_pending', 'fee_income', 'wallet', 'received', 'sent', 'trx_wallet', 'trx_received', 'trx_burnt')),
    ADD CONSTRAINT account_asset_check CHECK (asset = CASE WHEN starts_with(kind, 'trx_') THEN 'TRX' ELSE 'USDT' END),
    -- What comes from outside is taken from these without a limit; nothing else may go below zero.
    ADD CONSTRAINT account_check CHECK (min_balance = 0 OR kind IN ('pool_expense', 'received', 'trx_received'));
ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void', 'receipt', 'transfer', 'network_fee'));

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION account_opens_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.balance <> 0 THEN
        RAISE EXCEPTION 'an account opens with balance 0, not %; post an entry', NEW.balance;
    END IF;
    NEW.asset := CASE WHEN starts_with(NEW.kind, 'trx_') THEN 'TRX' ELSE 'USDT' END;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- A transaction that was signed to pay a payout. The row stands, committed,
-- before anything is sent; what is sent are its bytes and no others.
CREATE TABLE rail_attempt (
    attempt_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_no    bigint NOT NULL REFERENCES payout,
    tx_id        bytea NOT NULL UNIQUE,
    raw          bytea NOT NULL,
    signature    bytea NOT NULL CHECK (length(signature) = 65),
    ref_block    bytea NOT NULL CHECK (length(ref_block) = 32),
    wallet       text NOT NULL,
    contract     text NOT NULL,
    payee        text NOT NULL,
    amount       bigint NOT NULL CHECK (amount > 0), -- micro-USDT
    expires_at   timestamptz NOT NULL,
    estimate_sun bigint NOT NULL CHECK (estimate_sun >= 0),
    created_at   timestamptz NOT NULL,
    state        text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'paid', 'failed', 'dead')),
    decided_at   timestamptz,
    block_no     bigint, -- of the block that holds it
    result       text,
    fee_sun      bigint CHECK (fee_sun >= 0),
    energy       bigint,
    CHECK (tx_id = sha256(raw)),
    CHECK ((state = 'live') = (decided_at IS NULL)),
    CHECK ((state IN ('paid', 'failed')) = (block_no IS NOT NULL)),
    CHECK ((block_no IS NULL) = (fee_sun IS NULL) AND (block_no IS NULL) = (result IS NULL))
);
-- One live attempt a payout, and none beside one that paid.
CREATE UNIQUE INDEX rail_attempt_live ON rail_attempt (payout_no) WHERE state IN ('live', 'paid');
CREATE INDEX rail_attempt_open ON rail_attempt (attempt_no) WHERE state = 'live';
CREATE INDEX rail_attempt_block ON rail_attempt (block_no DESC) WHERE block_no IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION rail_attempt_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'live' THEN
            RAISE EXCEPTION 'an attempt begins as live, not %', NEW.state;
        END IF;
        PERFORM FROM payout WHERE payout_no = NEW.payout_no AND status = 'processing' AND rail = 'tron'
            AND wallet_address = NEW.payee AND net_amount = NEW.amount FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'payout_no % is not being paid by this rail with % to %', NEW.payout_no, NEW.amount, NEW.payee;
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> 'live' OR (NEW.attempt_no, NEW.payout_no, NEW.tx_id, NEW.raw, NEW.signature, NEW.ref_block, NEW.wallet, NEW.contract, NEW.payee,
            NEW.amount, NEW.expires_at, NEW.estimate_sun, NEW.created_at)
        <> (OLD.attempt_no, OLD.payout_no, OLD.tx_id, OLD.raw, OLD.signature, OLD.ref_block, OLD.wallet, OLD.contract, OLD.payee,
            OLD.amount, OLD.expires_at, OLD.estimate_sun, OLD.created_at) THEN
        RAISE EXCEPTION 'attempt % was signed and is decided once: nothing of it changes', OLD.attempt_no;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER rail_attempt_rule BEFORE INSERT OR UPDATE ON rail_attempt FOR EACH ROW EXECUTE FUNCTION rail_attempt_rules();
CREATE TRIGGER rail_attempt_no_delete BEFORE DELETE ON rail_attempt FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER rail_attempt_no_truncate BEFORE TRUNCATE ON rail_attempt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Why a pending payout waits: what it would cost to send.
CREATE TABLE rail_deferral (
    payout_no bigint PRIMARY KEY REFERENCES payout,
    reason    text NOT NULL CHECK (reason <> ''),
    until     timestamptz NOT NULL
);

-- What the rail knew at its last look, so that it notices when the database
-- is another one: a restored backup, or a standby that took over.
CREATE TABLE rail_state (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    network    text NOT NULL,
    system_id  text NOT NULL,
    timeline   integer NOT NULL,
    seen_block bytea NOT NULL CHECK (length(seen_block) = 32), -- newest final block
    scan_next  bytea, -- newest block that was looked through for outflows; null: none are looked for
    scan_until timestamptz,
    CHECK ((scan_next IS NULL) = (scan_until IS NULL))
);

-- Transactions of the wallet that no attempt explains, found after a restore.
CREATE TABLE rail_outflow (
    tx_id      bytea PRIMARY KEY CHECK (length(tx_id) = 32),
    block_no   bigint NOT NULL,
    found_at   timestamptz NOT NULL,
    matched_at timestamptz,
    matched_by text,
    note       text,
    CHECK ((matched_at IS NULL) = (matched_by IS NULL))
);

-- +goose Down
DROP TABLE rail_outflow, rail_state, rail_deferral, rail_attempt;
DROP FUNCTION rail_attempt_rules;
ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void'));
ALTER TABLE account DROP CONSTRAINT account_kind_check, DROP CONSTRAINT account_asset_check, DROP CONSTRAINT account_check,
    ADD CONSTRAINT account_kind_check CHECK (kind IN ('pool_expense', 'unallocated', 'payable', 'held', 'in_flight',
        'paid_out', 'fee_pending', 'fee_income')),
    ADD CONSTRAINT account_asset_check CHECK (asset = 'USDT'),
    ADD CONSTRAINT account_check CHECK (min_balance = 0 OR kind = 'pool_expense');
