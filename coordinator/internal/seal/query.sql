-- name: LockName :exec
-- Two coordinators that need the same secret take turns.
SELECT pg_advisory_xact_lock(sqlc.arg(class)::int, hashtext(sqlc.arg(name)::text));

-- name: GetBox :one
SELECT box FROM sealed_secret WHERE name = $1;

-- name: AnyBox :one
SELECT EXISTS (SELECT FROM sealed_secret);

-- name: AddBox :exec
INSERT INTO sealed_secret (name, box) VALUES ($1, $2);
