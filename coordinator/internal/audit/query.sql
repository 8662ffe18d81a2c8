-- name: LockHead :one
SELECT hash, clock_timestamp()::timestamptz AS now FROM audit_head FOR UPDATE;

-- name: Insert :exec
INSERT INTO audit_entry (at, actor, action, target, before, after, request_id, prev_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: Head :one
SELECT hash FROM audit_head;

-- name: List :many
-- Newest first. An empty text selects all.
SELECT * FROM audit_entry
WHERE entry_no < @before
  AND (@actor::text = '' OR actor = @actor)
  AND (@action::text = '' OR action = @action)
  AND (@target::text = '' OR target = @target)
  AND (sqlc.narg(since)::timestamptz IS NULL OR at >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR at < sqlc.narg(until))
ORDER BY entry_no DESC LIMIT @most;

-- name: Chain :many
-- Oldest first, a page after an entry.
SELECT * FROM audit_entry WHERE entry_no > @after ORDER BY entry_no LIMIT @most;
