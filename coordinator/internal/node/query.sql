-- name: InsertToken :exec
INSERT INTO enrolment_token (token_hash, pool_no, node_name, serial_hash, node_no, expires_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: LockToken :one
SELECT * FROM enrolment_token WHERE token_hash = $1 FOR UPDATE;

-- name: UseToken :exec
UPDATE enrolment_token SET used_at = $2, node_no = $3, request_hash = $4, response = $5 WHERE token_hash = $1;

-- name: DeleteExpiredTokens :execrows
DELETE FROM enrolment_token WHERE used_at IS NULL AND expires_at < $1;

-- name: NodeBySerial :one
SELECT node_id FROM node WHERE serial_hash = $1 AND serial_hash <> '' LIMIT 1;

-- name: NameTaken :one
SELECT EXISTS (SELECT FROM node WHERE name = $1);

-- name: InsertNode :one
INSERT INTO node (node_id, name, status, serial_hash, inventory, payout_address, agent_version, created_at, updated_at)
VALUES ($1, $2, 'starting', $3, $4, $5, $6, sqlc.arg(at), sqlc.arg(at))
RETURNING node_no;

-- name: ReenrolNode :one
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4 WHERE node_no = $1 RETURNING node_id;

-- name: InsertState :exec
INSERT INTO node_state (node_no, status, reason, from_at) VALUES ($1, $2, $3, $4);

-- name: CloseState :one
-- The next interval starts where this one ends; two changes in the same
-- microsecond are kept apart by one.
UPDATE node_state SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond')
WHERE node_no = $1 AND to_at IS NULL
RETURNING to_at::timestamptz;

-- name: LockStatus :one
SELECT status, status_reason FROM node WHERE node_no = $1 FOR UPDATE;

-- name: UpdateStatus :exec
UPDATE node SET status = $2, status_reason = $3, updated_at = $4 WHERE node_no = $1;

-- name: NextKeyEpoch :one
SELECT (COALESCE(max(key_epoch), 0) + 1)::integer FROM node_key WHERE node_no = $1;

-- name: RetireKeys :exec
UPDATE node_key SET retired_at = $2 WHERE node_no = $1 AND retired_at IS NULL;

-- name: InsertKey :exec
INSERT INTO node_key (node_no, key_epoch, root_box, device_public, created_at) VALUES ($1, $2, $3, $4, $5);

-- name: LiveKey :one
SELECT n.node_no, n.node_id, n.status, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_id = $1 AND k.retired_at IS NULL
ORDER BY k.key_epoch DESC LIMIT 1;

-- name: Key :one
SELECT n.node_id, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_no = $1 AND k.key_epoch = $2;

-- name: SetScore :exec
UPDATE node SET poot_score = $2 WHERE node_no = $1;

-- name: SetPool :exec
UPDATE node SET pool_no = $2, updated_at = $3 WHERE node_no = $1;

-- name: SetInventory :exec
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4 WHERE node_no = $1;

-- name: SetAgent :exec
UPDATE node SET agent_version = $2, boot_id = $3 WHERE node_no = $1 AND session_no = $4;

-- name: Connect :one
UPDATE node SET online = true, session_no = session_no + 1, last_heartbeat = sqlc.arg(at)
WHERE node_no = $1 RETURNING session_no, status;

-- name: OpenPresence :exec
INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: Disconnect :execrows
-- Session 0 is whichever is on record.
UPDATE node SET online = false, last_heartbeat = sqlc.arg(at)
WHERE node_no = $1 AND (session_no = $2 OR $2 = 0) AND online;

-- name: ClosePresence :exec
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at) WHERE node_no = $1 AND to_at IS NULL;

-- name: AllOffline :execrows
UPDATE node SET online = false WHERE online;

-- name: CloseAllPresence :execrows
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at) WHERE to_at IS NULL;
