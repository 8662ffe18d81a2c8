-- name: LockName :exec
-- Two coordinators that need the same secret take turns.
SELECT pg_advisory_xact_lock(sqlc.arg(class)::int, hashtext(sqlc.arg(name)::text));

-- name: GetBox :one
SELECT box FROM sealed_secret WHERE name = $1;

-- name: AnyBox :one
SELECT EXISTS (SELECT FROM sealed_secret);

-- name: AddBox :exec
INSERT INTO sealed_secret (name, box) VALUES ($1, $2);

-- name: State :one
SELECT sealing_id, next_id, resealing FROM seal_state;

-- name: LockState :one
SELECT sealing_id, next_id, resealing FROM seal_state FOR UPDATE;

-- name: BeginRotation :exec
UPDATE seal_state SET sealing_id = $1, next_id = $2 WHERE NOT resealing;

-- name: BeginResealing :exec
UPDATE seal_state SET resealing = true WHERE next_id = $1;

-- name: EndRotation :exec
UPDATE seal_state SET sealing_id = next_id, next_id = NULL, resealing = false WHERE next_id IS NOT NULL;

-- name: PutHolder :exec
INSERT INTO seal_holder (holder_id, name, opens, seals, seen_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (holder_id) DO UPDATE SET opens = excluded.opens, seals = excluded.seals, seen_at = now();

-- name: DropHolder :exec
DELETE FROM seal_holder WHERE holder_id = $1 OR seen_at < now() - interval '1 hour';

-- name: Laggards :many
-- Who runs and cannot open what this key sealed, or does not seal with it.
SELECT name, NOT opens @> ARRAY[sqlc.arg(key_id)::smallint] AS lacks FROM seal_holder
WHERE seen_at > now() - make_interval(secs => sqlc.arg(alive_seconds)::float8)
  AND (NOT opens @> ARRAY[sqlc.arg(key_id)::smallint] OR sqlc.arg(sealing)::boolean AND seals <> sqlc.arg(key_id)::smallint)
ORDER BY name;

-- name: TryRotationTurn :one
SELECT pg_try_advisory_lock(sqlc.arg(class)::int, 0);

-- name: EndRotationTurn :exec
SELECT pg_advisory_unlock(sqlc.arg(class)::int, 0);
