-- name: Rotations :many
SELECT * FROM ca_rotation ORDER BY issues_from;

-- name: TakeTurn :exec
LOCK TABLE ca_rotation IN EXCLUSIVE MODE;

-- name: LastEnd :one
SELECT coalesce(max(old_until), 'epoch')::timestamptz FROM ca_rotation;

-- name: AddRotation :exec
INSERT INTO ca_rotation (secret_name, announced_at, issues_from, old_until) VALUES ($1, $2, $3, $4);
