-- name: InsertKey :exec
INSERT INTO api_key (key_id, name, role, hash, prefix, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: KeyByHash :one
SELECT * FROM api_key WHERE hash = $1;

-- name: ListKeys :many
SELECT * FROM api_key ORDER BY created_at DESC, key_id;

-- name: RevokeKey :one
-- The first revocation stands: doing it again changes nothing.
UPDATE api_key SET revoked_at = COALESCE(revoked_at, sqlc.arg(at)::timestamptz) WHERE key_id = $1
RETURNING key_id;
