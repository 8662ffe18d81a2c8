-- name: InsertKey :exec
INSERT INTO api_key (key_id, name, role, hash, prefix, created_at, expires_at, node_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: KeyByHash :one
SELECT * FROM api_key WHERE hash = $1;

-- name: KeyByID :one
SELECT * FROM api_key WHERE key_id = $1;

-- name: LockKey :one
SELECT * FROM api_key WHERE key_id = $1 FOR UPDATE;

-- name: ListKeys :many
SELECT * FROM api_key ORDER BY created_at DESC, key_id LIMIT sqlc.arg(at_most) OFFSET sqlc.arg(skip);

-- name: CountKeys :one
SELECT count(*) FROM api_key;

-- name: RevokeKey :exec
UPDATE api_key SET revoked_at = sqlc.arg(at)::timestamptz WHERE key_id = $1;

-- name: KnownNodes :many
SELECT node_id FROM node WHERE node_id = ANY(sqlc.arg(node_ids)::text[]);

-- name: InsertUser :exec
INSERT INTO access_user (user_id, name, email, role, password_hash, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6);

-- name: UserByID :one
SELECT * FROM access_user WHERE user_id = $1;

-- name: UserByName :one
SELECT * FROM access_user WHERE lower(name) = lower(sqlc.arg(name));

-- name: UserWhoLogsIn :one
-- Also whether the user has logged in from that place before.
SELECT sqlc.embed(u), EXISTS (SELECT FROM login_place p WHERE p.user_id = u.user_id AND p.place = sqlc.arg(place)) AS at_home
FROM access_user u WHERE lower(u.name) = lower(sqlc.arg(name));

-- name: LockUser :one
SELECT * FROM access_user WHERE user_id = $1 FOR UPDATE;

-- name: ListUsers :many
SELECT * FROM access_user ORDER BY created_at DESC, user_id LIMIT sqlc.arg(at_most) OFFSET sqlc.arg(skip);

-- name: CountUsers :one
SELECT count(*) FROM access_user;

-- name: UpdateUser :exec
UPDATE access_user SET email = $2, role = $3, password_hash = $4, disabled_at = $5, updated_at = $6 WHERE user_id = $1;

-- name: LoginSucceeded :exec
UPDATE access_user SET last_login_at = $2, password_hash = $3 WHERE user_id = $1;

-- name: CountFailure :one
-- How many failures there are now. Long after the last one it begins anew; while
-- a lock holds, nothing counts and there is no row.
INSERT INTO login_attempt AS a (who, failed_count, failed_at) VALUES (sqlc.arg(who), 1, sqlc.arg(at)::timestamptz)
ON CONFLICT (who) DO UPDATE SET failed_at = excluded.failed_at,
    failed_count = CASE WHEN a.failed_at < sqlc.arg(forget_before)::timestamptz THEN 1 ELSE a.failed_count + 1 END
WHERE a.locked_until IS NULL OR a.locked_until <= excluded.failed_at
RETURNING failed_count;

-- name: LockAttempts :exec
UPDATE login_attempt SET locked_until = sqlc.arg(until)::timestamptz WHERE who = $1;

-- name: LockedUntil :one
SELECT locked_until FROM login_attempt WHERE who = $1 FOR UPDATE;

-- name: LocksOf :many
SELECT who, locked_until FROM login_attempt WHERE who = ANY(sqlc.arg(who)::bytea[]) AND locked_until IS NOT NULL;

-- name: ForgetFailures :exec
DELETE FROM login_attempt WHERE who = $1;

-- name: RemoveOldFailures :exec
DELETE FROM login_attempt WHERE failed_at < sqlc.arg(before)::timestamptz;

-- name: KeepPlace :exec
INSERT INTO login_place (user_id, place, last_at) VALUES ($1, $2, $3)
ON CONFLICT (user_id, place) DO UPDATE SET last_at = excluded.last_at;

-- name: ForgetOldestPlaces :exec
-- All but the newest.
DELETE FROM login_place p WHERE p.user_id = $1
AND p.place IN (SELECT o.place FROM login_place o WHERE o.user_id = $1 ORDER BY o.last_at DESC, o.place OFFSET sqlc.arg(keep));

-- name: ForgetPlaces :exec
DELETE FROM login_place WHERE user_id = $1;

-- name: RemoveOldPlaces :exec
DELETE FROM login_place WHERE last_at < sqlc.arg(before)::timestamptz;

-- name: InsertSession :exec
INSERT INTO login_session (session_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4);

-- name: ExtendSession :exec
UPDATE login_session SET expires_at = $2 WHERE session_id = $1;

-- name: EndSession :execrows
-- The first end stands.
UPDATE login_session SET ended_at = sqlc.arg(at)::timestamptz, end_reason = sqlc.arg(reason)::text
WHERE session_id = $1 AND ended_at IS NULL;

-- name: EndSessions :many
UPDATE login_session SET ended_at = sqlc.arg(at)::timestamptz, end_reason = sqlc.arg(reason)::text
WHERE user_id = $1 AND ended_at IS NULL
RETURNING session_id;

-- name: RemoveExpiredSessions :exec
DELETE FROM login_session WHERE expires_at <= $1;

-- name: InsertRefresh :exec
INSERT INTO refresh_token (hash, session_id, issued_at, expires_at) VALUES ($1, $2, $3, $4);

-- name: LockRefresh :one
-- Locks token and session: two uses of one family follow each other.
SELECT r.expires_at, r.used_at, s.session_id, s.user_id, s.created_at AS session_created_at, s.ended_at
FROM refresh_token r JOIN login_session s USING (session_id)
WHERE r.hash = $1
FOR UPDATE;

-- name: UseRefresh :exec
UPDATE refresh_token SET used_at = sqlc.arg(at)::timestamptz WHERE hash = $1;

-- name: InsertSigningKey :exec
INSERT INTO token_signing_key (secret_name, from_at) VALUES ($1, $2);

-- name: SigningKeys :many
SELECT secret_name, from_at FROM token_signing_key ORDER BY from_at, secret_name;

-- name: SessionUser :one
SELECT u.role, u.disabled_at, s.ended_at FROM login_session s JOIN access_user u USING (user_id) WHERE s.session_id = $1;

-- name: InsertTopicGrant :one
INSERT INTO mqtt_grant (key_id, filter, created_at) VALUES ($1, $2, $3)
ON CONFLICT (key_id, filter) DO NOTHING RETURNING grant_no;

-- name: TopicGrants :many
SELECT grant_no, filter, created_at FROM mqtt_grant WHERE key_id = $1 ORDER BY filter;

-- name: DeleteTopicGrant :one
DELETE FROM mqtt_grant WHERE key_id = $1 AND grant_no = $2 RETURNING filter;

-- name: LiveFilters :many
-- What those of the keys may read that are good at the moment.
SELECT k.key_id, g.filter FROM api_key k JOIN mqtt_grant g USING (key_id)
WHERE k.key_id = ANY (@key_ids::text[]) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > @at::timestamptz)
ORDER BY k.key_id, g.filter;
