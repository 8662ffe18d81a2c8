-- name: LockHead :one
SELECT hash FROM ledger_head FOR UPDATE;

-- name: ReadHead :one
SELECT head.hash, coalesce(entry.entry_no, 0)::bigint AS entry_no, entry.at
FROM ledger_head head LEFT JOIN entry ON entry.hash = head.hash;

-- name: FindEntries :many
SELECT entry_id, entry_no, input_hash, hash, at FROM entry WHERE entry_id = ANY(@entry_ids::uuid[]);

-- name: FindAccounts :many
SELECT account.account_no, account.kind, account.owner, account.balance
FROM (SELECT unnest(@kinds::text[]) AS kind, unnest(@owners::text[]) AS owner) wanted
JOIN account ON account.kind = wanted.kind AND account.owner = wanted.owner;

-- name: OpenAccounts :many
-- Under the head's lock nobody else opens accounts.
INSERT INTO account (kind, owner, min_balance)
SELECT unnest(@kinds::text[]), unnest(@owners::text[]), unnest(@min_balances::bigint[])
RETURNING account_no, kind, owner;

-- name: InsertEntries :many
-- In the order of the arrays, which is the chain's.
INSERT INTO entry (entry_id, kind, ref, input_hash, prev_hash, hash, at)
SELECT unnest(@entry_ids::uuid[]), unnest(@kinds::text[]), unnest(@refs::text[]), unnest(@input_hashes::bytea[]),
    unnest(@prev_hashes::bytea[]), unnest(@hashes::bytea[]), unnest(@ats::timestamptz[])
RETURNING entry_id, entry_no;

-- name: InsertPostings :copyfrom
-- All postings of an entry in one statement: the database checks their sum then.
INSERT INTO posting (entry_id, account_no, amount) VALUES (@entry_id, @account_no, @amount);

-- name: Balance :one
SELECT coalesce((SELECT balance FROM account WHERE kind = @kind AND owner = @owner), 0)::bigint;

-- name: Balances :many
SELECT kind, balance FROM account WHERE owner = @owner;

-- name: BalancesOf :many
SELECT owner, balance FROM account WHERE kind = @kind AND owner = ANY(@owners::text[]);

-- name: OwnersAbove :many
SELECT owner FROM account WHERE kind = @kind AND balance >= @least::bigint ORDER BY account_no;

-- name: RecordHead :exec
-- Once an hour; not before an hour that is told of already.
INSERT INTO ledger_publication (hour, entry_no, hash, at)
SELECT @hour, coalesce(entry.entry_no, 0), head.hash, entry.at
FROM ledger_head head LEFT JOIN entry ON entry.hash = head.hash
WHERE NOT EXISTS (SELECT 1 FROM ledger_publication p WHERE p.hour >= @hour)
ON CONFLICT DO NOTHING;

-- name: LastPublication :one
SELECT hour, entry_no, hash, at FROM ledger_publication ORDER BY hour DESC LIMIT 1;

-- name: LostPublication :one
-- The first head that was published and is not in the chain.
SELECT p.hour, p.entry_no, p.hash FROM ledger_publication p
WHERE p.entry_no > 0 AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.hash = p.hash AND entry.entry_no = p.entry_no)
ORDER BY p.hour LIMIT 1;
