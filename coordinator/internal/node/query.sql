-- name: TakeBoardTurn :exec
-- Two devices that show the same board enrol one after the other.
SELECT pg_advisory_xact_lock(hashtextextended(sqlc.arg(serial_hash)::text, 13));

-- name: NodeBySerial :one
SELECT node_no, node_id FROM node WHERE serial_hash = $1 AND serial_hash <> '' AND deleted_at IS NULL AND node_no <> $2 LIMIT 1;

-- name: NameTaken :one
SELECT EXISTS (SELECT FROM node WHERE name = $1 AND deleted_at IS NULL);

-- name: InsertNode :one
INSERT INTO node (node_id, name, status, serial_hash, inventory, payout_address, agent_version, created_at, updated_at)
VALUES ($1, $2, 'starting', $3, $4, $5, $6, sqlc.arg(at), sqlc.arg(at))
RETURNING node_no;

-- name: ReenrolNode :exec
-- A board that tells no serial number leaves the one that the node had.
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4, version = version + 1, proven = false, cut_session = session_no,
    serial_hash = CASE WHEN sqlc.arg(serial_hash)::text = '' THEN serial_hash ELSE sqlc.arg(serial_hash)::text END
WHERE node_no = $1;

-- name: FirstEnrolNode :exec
-- The operator's payout address stands; the device's fills an empty one.
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4, version = version + 1, serial_hash = $5,
    payout_address = CASE WHEN payout_address = '' THEN sqlc.arg(payout_address)::text ELSE payout_address END
WHERE node_no = $1;

-- name: InsertState :exec
INSERT INTO node_state (node_no, status, reason, from_at) VALUES ($1, $2, $3, $4);

-- name: CloseState :one
-- The next interval starts where this one ends; two changes in the same
-- microsecond are kept apart by one.
UPDATE node_state SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond')
WHERE node_no = $1 AND to_at IS NULL
RETURNING to_at::timestamptz;

-- name: LockStatus :one
-- Not FOR UPDATE: that waits for whoever wrote a row that refers to the node, and
-- who does so goes on to the node, which a caller may hold already.
SELECT n.status, n.status_reason, n.proven, n.online, n.deleted_at, n.node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = n.pool_no), '')::text AS pool_id
FROM node n WHERE n.node_no = $1 FOR NO KEY UPDATE;

-- name: UpdateStatus :exec
UPDATE node SET status = $2, status_reason = $3, updated_at = $4, status_until = $5, version = version + 1 WHERE node_no = $1;

-- name: SetProven :exec
UPDATE node SET proven = $2 WHERE node_no = $1;

-- name: SetScore :exec
UPDATE node SET poot_score = $2 WHERE node_no = $1;

-- name: SetPool :exec
UPDATE node SET pool_no = $2, updated_at = $3, version = version + 1 WHERE node_no = $1;

-- name: LockBoard :one
SELECT n.serial_hash AS enrolled, coalesce(n.inventory ->> 'serial_hash', '')::text AS told FROM node n WHERE n.node_no = $1 FOR UPDATE;

-- name: SetInventory :exec
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4 WHERE node_no = $1;

-- name: SetAgent :one
-- An agent that knows a newer configuration or command than this database
-- outlived a restored backup, or a clock that was ahead: what counts here is sent to
-- it under a version above its own.
UPDATE node SET agent_version = $2, boot_id = $3, agent_stopped = $5, command_version = GREATEST(command_version, sqlc.arg(agent_command)::bigint),
    config_session = CASE WHEN sqlc.arg(agent_config)::bigint > config_version THEN NULL ELSE config_session END,
    config_version = CASE WHEN sqlc.arg(agent_config)::bigint > config_version
        THEN GREATEST(sqlc.arg(agent_config)::bigint + 1, sqlc.arg(at_ms)::bigint) ELSE config_version END
WHERE node.node_no = $1 AND session_no = $4
RETURNING (SELECT coalesce(max(k.key_epoch), 0) FROM node_key k WHERE k.node_no = node.node_no)::integer AS key_epoch;

-- name: Connect :one
-- No row: the node was deleted after its login was checked.
UPDATE node SET online = true, session_no = session_no + 1, last_heartbeat = sqlc.arg(at),
    session_epoch = sqlc.arg(key_epoch), session_until = NULL
WHERE node_no = $1 AND deleted_at IS NULL RETURNING session_no, status, status_reason, node_id,
    coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: OpenPresence :exec
INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: Disconnect :one
-- Session 0 is whichever is on record.
UPDATE node SET online = false, last_heartbeat = sqlc.arg(at)
WHERE node_no = $1 AND (session_no = $2 OR $2 = 0) AND online
RETURNING status, status_reason, node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: ClosePresence :exec
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at) WHERE node_no = $1 AND to_at IS NULL;

-- name: AllOffline :many
UPDATE node SET online = false WHERE online
RETURNING status, status_reason, node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: CloseAllPresence :execrows
-- Who came after that instant was there all the same: an instant of it stays.
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond') WHERE to_at IS NULL;

-- name: InsertPending :one
INSERT INTO node (node_id, name, node_type, status, inventory, payout_address, location, configuration, labels,
    creation_key, creation_input, created_at, updated_at)
VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, sqlc.arg(at), sqlc.arg(at))
RETURNING node_no;

-- name: TakeCreationTurn :exec
SELECT pg_advisory_xact_lock(hashtextextended(encode(sqlc.arg(creation_key)::bytea, 'hex'), 10));

-- name: NodeByCreation :one
SELECT node_no, node_id, status, creation_input, deleted_at FROM node WHERE creation_key = $1 FOR UPDATE;

-- name: LockNode :one
SELECT n.node_no, n.node_id, n.name, n.node_type, n.status, n.status_reason, n.status_until, COALESCE(p.pool_id, '') AS pool_id,
    n.payout_address, n.location, n.configuration, n.labels, n.version, n.online, COALESCE(n.inventory ->> 'model', '')::text AS model
FROM node n LEFT JOIN pool p USING (pool_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL FOR UPDATE OF n;

-- name: LockPools :exec
-- In the order of their numbers, as everywhere: two nodes that change places
-- wait for each other instead of blocking each other.
SELECT FROM pool WHERE pool_id = ANY(sqlc.arg(pool_ids)::text[]) ORDER BY pool_no FOR NO KEY UPDATE;

-- name: NodeNo :one
-- Of a deleted one too.
SELECT node_no FROM node WHERE node_id = $1;

-- name: PoolNo :one
SELECT pool_no FROM pool WHERE pool_id = $1;

-- name: UpdateNode :exec
UPDATE node SET name = $2, node_type = $3, location = $4, configuration = $5, labels = $6,
    updated_at = sqlc.arg(at), version = version + 1
WHERE node_no = $1;

-- name: Payee :one
SELECT payout_address, payout_address_before, payout_address_due, payout_address_changed_at FROM node WHERE node_no = $1;

-- name: SetPayee :exec
UPDATE node SET payout_address = $2, payout_address_before = $3, payout_address_due = $4, payout_address_changed_at = $5,
    version = version + 1 WHERE node_no = $1;

-- name: HasEarned :one
SELECT EXISTS (SELECT FROM account a JOIN node n ON n.node_id = a.owner WHERE n.node_no = $1 AND a.kind IN ('payable', 'held'));

-- name: MoneyMoving :one
SELECT EXISTS (SELECT FROM payout WHERE node_no = $1 AND status IN ('pending', 'processing'));

-- name: MarkDeleted :exec
UPDATE node SET deleted_at = sqlc.arg(at), updated_at = sqlc.arg(at), version = version + 1 WHERE node_no = $1;

-- name: Lifting :many
SELECT node_no FROM node WHERE status_until <= sqlc.arg(at)::timestamptz ORDER BY status_until LIMIT 1000;

-- name: LockLifting :one
SELECT status, agent_stopped FROM node WHERE node_no = $1 AND status_until <= sqlc.arg(at)::timestamptz FOR UPDATE;

-- name: NamesTaken :many
SELECT name FROM node WHERE deleted_at IS NULL AND name = ANY(sqlc.arg(names)::text[]) ORDER BY name;

-- name: LowerHeartbeats :exec
UPDATE node_heartbeat SET at = sqlc.arg(now)::timestamptz WHERE at > sqlc.arg(after)::timestamptz;
