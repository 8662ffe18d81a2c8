-- A transaction is looked up in whatever way it was written down: rows of
-- before hold ids as they were given, with 0x too.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION same_transaction(written text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(lower(written), '^0x(?=[0-9a-f]{64}$)', '')
$$;
-- +goose StatementEnd
DROP INDEX payout_transaction;
CREATE INDEX payout_transaction ON payout (same_transaction(transaction_hash)) WHERE transaction_hash IS NOT NULL;

-- +goose Down
DROP INDEX payout_transaction;
CREATE INDEX payout_transaction ON payout (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;
DROP FUNCTION same_transaction;
