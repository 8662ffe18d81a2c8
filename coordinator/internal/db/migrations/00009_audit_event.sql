-- Tables of package audit: audit_entry, audit_head.
-- Tables of package event: event_outbox, event.

-- +goose Up
-- Who changed what. Append-only; each entry carries the hash of the one before.
CREATE TABLE audit_entry (
    entry_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- order of the chain; gaps are rolled back entries
    at         timestamptz NOT NULL,
    actor      text NOT NULL CHECK (actor <> ''),
    action     text NOT NULL CHECK (action <> ''),
    target     text NOT NULL,
    before     json, -- not jsonb: the hash covers these very bytes
    after      json,
    request_id text NOT NULL,
    prev_hash  bytea NOT NULL UNIQUE CHECK (length(prev_hash) = 32),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32)
);
CREATE INDEX audit_entry_actor ON audit_entry (actor, entry_no DESC);
CREATE INDEX audit_entry_action ON audit_entry (action, entry_no DESC);
CREATE INDEX audit_entry_target ON audit_entry (target, entry_no DESC);
CREATE INDEX audit_entry_at ON audit_entry (at);

-- The chain's end: hash of the last entry, 32 zero bytes before the first.
-- Whoever writes locks this row first, so entries are made one after another.
CREATE TABLE audit_head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
INSERT INTO audit_head (hash) VALUES (decode(repeat('00', 32), 'hex'));

-- +goose StatementBegin
CREATE FUNCTION audit_joins_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_head SET hash = NEW.hash WHERE hash = NEW.prev_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this audit entry does not follow the last entry of the chain';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION audit_head_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'audit_head follows from audit_entry: direct % refused', TG_OP;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER audit_entry_chain BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_joins_chain();
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_guard BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_follows();
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What happened, as it was published in the transaction of the change itself.
-- Rows leave it for the table event, where they get the number that readers
-- know. An identity drawn here would not do: transactions commit in another
-- order than they drew it, and a reader who saw 8 would never look for 7.
CREATE TABLE event_outbox (
    out_no  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('node', 'proof', 'score', 'alert', 'fraud', 'payout', 'pool')),
    node_id text NOT NULL DEFAULT '',
    pool_id text NOT NULL DEFAULT '',
    body    json NOT NULL
);

-- Published events in the order of their numbers: whatever becomes visible has
-- a higher number than all that was visible before. Numbers may have gaps. Readers
-- go on from a recent number, whatever they filter: no other index is needed.
CREATE TABLE event (
    event_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    kind     text NOT NULL,
    node_id  text NOT NULL,
    pool_id  text NOT NULL,
    body     json NOT NULL
);

-- +goose Down
DROP TABLE event, event_outbox, audit_head, audit_entry;
DROP FUNCTION audit_head_follows;
DROP FUNCTION audit_joins_chain;
