-- A transaction is looked up in whatever case it was written down.

-- +goose Up
DROP INDEX payout_transaction;
CREATE INDEX payout_transaction ON payout (lower(transaction_hash)) WHERE transaction_hash IS NOT NULL;

-- +goose Down
DROP INDEX payout_transaction;
CREATE INDEX payout_transaction ON payout (transaction_hash) WHERE transaction_hash IS NOT NULL;
