-- name: LockHead :one
SELECT hash FROM ledger_head FOR UPDATE;

-- name: FindEntry :one
SELECT entry_id, entry_no, input_hash, hash, at FROM entry WHERE kind = @kind AND ref = @ref;

-- name: OpenAccounts :exec
-- Under the head's lock nobody else opens accounts.
INSERT INTO account (kind, owner, min_balance)
SELECT wanted.kind, wanted.owner, wanted.min_balance
FROM (SELECT unnest(@kinds::text[]) AS kind, unnest(@owners::text[]) AS owner, unnest(@min_balances::bigint[]) AS min_balance) wanted
WHERE NOT EXISTS (SELECT 1 FROM account WHERE account.kind = wanted.kind AND account.owner = wanted.owner AND account.asset = 'USDT');

-- name: InsertEntry :one
INSERT INTO entry (entry_id, kind, ref, input_hash, prev_hash, hash, at)
VALUES (@entry_id, @kind, @ref, @input_hash, @prev_hash, @hash, @at)
RETURNING entry_no;

-- name: InsertPostings :exec
-- All postings of the entry in one statement: the database checks their sum then.
INSERT INTO posting (entry_id, account_no, amount)
SELECT @entry_id::uuid, account.account_no, wanted.amount
FROM (SELECT unnest(@kinds::text[]) AS kind, unnest(@owners::text[]) AS owner, unnest(@amounts::bigint[]) AS amount) wanted
JOIN account ON account.kind = wanted.kind AND account.owner = wanted.owner AND account.asset = 'USDT';

-- name: Balance :one
SELECT coalesce((SELECT balance FROM account WHERE kind = @kind AND owner = @owner AND asset = 'USDT'), 0)::bigint;

-- name: Balances :many
SELECT kind, balance FROM account WHERE owner = @owner AND asset = 'USDT';

-- name: BalancesOf :many
SELECT owner, balance FROM account WHERE kind = @kind AND owner = ANY(@owners::text[]) AND asset = 'USDT';

-- name: OwnersAbove :many
SELECT owner FROM account WHERE kind = @kind AND asset = 'USDT' AND balance >= @least::bigint ORDER BY account_no;
