-- name: LockHead :one
SELECT hash, clock_timestamp()::timestamptz AS now FROM audit_head FOR UPDATE;

-- name: Insert :exec
INSERT INTO audit_entry (at, actor, action, target, before, after, request_id, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: Head :one
SELECT hash FROM audit_head;

-- name: Chain :many
-- Oldest first, a page after an entry.
SELECT * FROM audit_entry WHERE entry_no > @after ORDER BY entry_no LIMIT @most;
