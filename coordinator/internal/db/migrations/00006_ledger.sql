-- Tables of package ledger: account, entry, posting, ledger_head.
-- The rules of double entry live here, so that no program can break them:
-- postings of an entry sum to zero per asset, nothing is ever changed, a
-- balance moves only with a posting, and the hash chain has one end.

-- +goose Up
CREATE TABLE account (
    account_no  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('pool_expense', 'unallocated', 'payable', 'held', 'in_flight',
                'paid_out', 'fee_pending', 'fee_income')),
    owner       text NOT NULL, -- pool_id, node_id, or empty for the network's own accounts
    asset       text NOT NULL DEFAULT 'USDT' CHECK (asset = 'USDT'),
    balance     bigint NOT NULL DEFAULT 0, -- micro-USDT
    min_balance bigint NOT NULL DEFAULT 0,
    UNIQUE (kind, owner, asset),
    CONSTRAINT account_covers CHECK (balance >= min_balance),
    -- Rewards are spent from pool_expense without a limit; nothing else may go below zero.
    CHECK (min_balance = 0 OR kind = 'pool_expense')
);

CREATE TABLE entry (
    entry_id   uuid PRIMARY KEY,
    entry_no   bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE, -- order of the chain; gaps are rolled back entries
    kind       text NOT NULL CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void')),
    ref        text NOT NULL CHECK (ref <> ''),
    input_hash bytea NOT NULL CHECK (length(input_hash) = 32),
    prev_hash  bytea NOT NULL UNIQUE CHECK (length(prev_hash) = 32),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    at         timestamptz NOT NULL,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (kind, ref)
);

CREATE TABLE posting (
    entry_id   uuid NOT NULL REFERENCES entry,
    account_no integer NOT NULL REFERENCES account,
    amount     bigint NOT NULL CHECK (amount <> 0), -- micro-USDT
    PRIMARY KEY (entry_id, account_no)
);
CREATE INDEX posting_account ON posting (account_no);

-- The chain's end: hash of the last entry, 32 zero bytes before the first.
-- Whoever posts locks this row first, so entries are made one after another.
CREATE TABLE ledger_head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
INSERT INTO ledger_head (hash) VALUES (decode(repeat('00', 32), 'hex'));

-- Balances and the head follow from entries and postings: only their triggers,
-- which run one level up, may write them.
-- +goose StatementBegin
CREATE FUNCTION ledger_refuse_outside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% follows from postings: direct % refused; post an entry', TG_TABLE_NAME, TG_OP;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_opens_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.balance <> 0 THEN
        RAISE EXCEPTION 'an account opens with balance 0, not %; post an entry', NEW.balance;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION entry_joins_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.xid := pg_current_xact_id(); -- never the claim of whoever inserts
    UPDATE ledger_head SET hash = NEW.hash WHERE hash = NEW.prev_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entry % does not follow the last entry of the chain', NEW.entry_id;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- Runs at commit: an entry without postings fires no trigger of posting.
-- +goose StatementBegin
CREATE FUNCTION entry_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM posting WHERE entry_id = NEW.entry_id) < 2 THEN
        RAISE EXCEPTION 'entry % has fewer than two postings', NEW.entry_id;
    END IF;
    IF EXISTS (SELECT 1 FROM posting JOIN account USING (account_no)
               WHERE entry_id = NEW.entry_id GROUP BY asset HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'postings of entry % do not sum to zero', NEW.entry_id;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- The sum is also checked with each statement: SET CONSTRAINTS ALL IMMEDIATE
-- would let the check at commit pass before a last, unbalanced posting.
-- +goose StatementBegin
CREATE FUNCTION posting_applies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added JOIN entry USING (entry_id) WHERE entry.xid <> pg_current_xact_id()) THEN
        RAISE EXCEPTION 'an entry of an earlier transaction takes no more postings; post a correcting entry';
    END IF;
    IF EXISTS (SELECT 1 FROM added JOIN account USING (account_no) GROUP BY entry_id, asset HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'postings of an entry do not sum to zero; insert all of them in one statement';
    END IF;
    UPDATE account SET balance = balance + moved.amount
    FROM (SELECT account_no, sum(amount)::bigint AS amount FROM added GROUP BY account_no) moved
    WHERE account.account_no = moved.account_no;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER account_empty BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION account_opens_empty();
CREATE TRIGGER account_guard BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION ledger_refuse_outside();
CREATE TRIGGER account_no_delete BEFORE DELETE ON account FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER ledger_head_guard BEFORE UPDATE ON ledger_head FOR EACH ROW EXECUTE FUNCTION ledger_refuse_outside();
CREATE TRIGGER ledger_head_no_delete BEFORE DELETE ON ledger_head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_head_no_truncate BEFORE TRUNCATE ON ledger_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER entry_chain BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION entry_joins_chain();
CREATE CONSTRAINT TRIGGER entry_balanced AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION entry_is_balanced();
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_no_truncate BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER posting_apply AFTER INSERT ON posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION posting_applies();
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE posting, entry, account, ledger_head;
DROP FUNCTION ledger_refuse_outside, account_opens_empty, entry_joins_chain, entry_is_balanced, posting_applies;
