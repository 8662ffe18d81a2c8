-- Tables of package payout: epoch, statement_line, payout.

-- +goose Up
-- An epoch has a row once it is closed. starts_at is the end of the pool's
-- epoch before it, so the unique key makes a second closing impossible.
CREATE TABLE epoch (
    epoch_no  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_no   integer NOT NULL REFERENCES pool,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    reward    bigint NOT NULL CHECK (reward >= 0), -- micro-USDT
    entry_id  uuid REFERENCES entry DEFERRABLE INITIALLY DEFERRED, -- what it paid
    closed_at timestamptz NOT NULL,
    UNIQUE (pool_no, starts_at),
    CHECK (starts_at < ends_at AND ends_at <= closed_at),
    CHECK ((reward = 0) = (entry_id IS NULL))
);

-- What a node earned in an epoch, and why.
CREATE TABLE statement_line (
    epoch_no    bigint NOT NULL REFERENCES epoch,
    node_no     integer NOT NULL REFERENCES node,
    member_ms   bigint NOT NULL CHECK (member_ms >= 0), -- time in the pool
    credited_ms bigint NOT NULL CHECK (credited_ms BETWEEN 0 AND member_ms),
    score       bigint NOT NULL CHECK (score BETWEEN 0 AND 1000000000), -- as of the epoch's end
    factors     jsonb NOT NULL,
    weight      bigint NOT NULL CHECK (weight = score * credited_ms),
    share       bigint NOT NULL CHECK (share >= 0), -- micro-USDT
    destination text NOT NULL CHECK (destination IN ('payable', 'held')),
    reasons     text[] NOT NULL,
    PRIMARY KEY (epoch_no, node_no)
);
CREATE INDEX statement_line_node ON statement_line (node_no, epoch_no DESC);

CREATE TRIGGER epoch_append_only BEFORE UPDATE OR DELETE ON epoch FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER epoch_no_truncate BEFORE TRUNCATE ON epoch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_line_append_only BEFORE UPDATE OR DELETE ON statement_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statement_line_no_truncate BEFORE TRUNCATE ON statement_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE payout (
    payout_no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payout_id        text NOT NULL UNIQUE CHECK (payout_id ~ '^payout_[a-zA-Z0-9_-]+$'),
    node_no          integer NOT NULL REFERENCES node,
    amount           bigint NOT NULL CHECK (amount > 0), -- gross, micro-USDT
    fee              bigint NOT NULL CHECK (fee >= 0),
    net_amount       bigint NOT NULL CHECK (net_amount > 0),
    currency         text NOT NULL DEFAULT 'USDT' CHECK (currency = 'USDT'),
    wallet_address   text NOT NULL CHECK (wallet_address <> ''),
    status           text NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    priority         text NOT NULL DEFAULT 'normal' CHECK (priority IN ('urgent', 'high', 'normal', 'low')),
    transaction_hash text,
    batch_id         text CHECK (batch_id ~ '^batch_[a-zA-Z0-9_-]+$'),
    scheduled_at     timestamptz,
    processed_at     timestamptz,
    completed_at     timestamptz,
    error_message    text,
    retry_count      integer NOT NULL DEFAULT 0,
    max_retries      integer NOT NULL DEFAULT 3 CHECK (max_retries >= 0),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT payout_tries CHECK (retry_count BETWEEN 0 AND max_retries),
    CHECK (amount = fee + net_amount),
    CHECK (status <> 'completed' OR (transaction_hash IS NOT NULL AND completed_at IS NOT NULL)),
    CHECK (status <> 'failed' OR error_message IS NOT NULL)
);
-- One live payout a node.
CREATE UNIQUE INDEX payout_live ON payout (node_no) WHERE status IN ('pending', 'processing');
CREATE INDEX payout_node ON payout (node_no, payout_no DESC);

-- +goose StatementBegin
CREATE FUNCTION payout_life_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'pending' OR NEW.retry_count <> 0 THEN
            RAISE EXCEPTION 'payout % begins as pending, not %', NEW.payout_id, NEW.status;
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.payout_no, NEW.payout_id, NEW.node_no, NEW.amount, NEW.fee, NEW.net_amount, NEW.currency, NEW.created_at)
       <> (OLD.payout_no, OLD.payout_id, OLD.node_no, OLD.amount, OLD.fee, OLD.net_amount, OLD.currency, OLD.created_at) THEN
        RAISE EXCEPTION 'payout %: node and amounts never change', OLD.payout_id;
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (('pending', 'processing'), ('pending', 'cancelled'),
        ('processing', 'completed'), ('processing', 'failed'), ('failed', 'pending')) THEN
        RAISE EXCEPTION 'payout %: from % to % is no allowed step', OLD.payout_id, OLD.status, NEW.status;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payout_step BEFORE INSERT OR UPDATE ON payout FOR EACH ROW EXECUTE FUNCTION payout_life_cycle();
CREATE TRIGGER payout_no_delete BEFORE DELETE ON payout FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payout_no_truncate BEFORE TRUNCATE ON payout FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE payout, statement_line, epoch;
DROP FUNCTION payout_life_cycle;
