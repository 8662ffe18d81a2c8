-- Where the ledger's chain ended at each hour, as everybody was told. An hour in
-- which no coordinator ran has none.

-- +goose Up
CREATE TABLE ledger_publication (
    hour timestamptz PRIMARY KEY CHECK (extract(epoch FROM hour) % 3600 = 0),
    entry_no bigint NOT NULL, -- 0: there was no entry yet
    hash bytea NOT NULL CHECK (length(hash) = 32),
    at timestamptz CHECK ((at IS NULL) = (entry_no = 0)) -- of the entry
);
CREATE TRIGGER ledger_publication_append_only BEFORE UPDATE OR DELETE ON ledger_publication FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_publication_no_truncate BEFORE TRUNCATE ON ledger_publication FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- +goose Down
DROP TABLE ledger_publication;
