-- name: InsertPool :exec
INSERT INTO pool (pool_id, name, description, max_nodes, reward_per_epoch, resource_limits, auto_scaling, node_types, regions,
    challenge_difficulty, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, sqlc.arg(at), sqlc.arg(at));

-- name: LockPool :one
SELECT pool_no, name, description, max_nodes, node_count, reward_per_epoch, resource_limits, auto_scaling, node_types, regions, challenge_difficulty, version
FROM pool WHERE pool_id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE;

-- name: UpdatePool :exec
UPDATE pool SET name = $2, description = $3, max_nodes = $4, reward_per_epoch = $5, resource_limits = $6, auto_scaling = $7,
    node_types = $8, regions = $9, challenge_difficulty = $10, version = version + 1, updated_at = sqlc.arg(at)
WHERE pool_no = $1;

-- name: DeletePool :exec
UPDATE pool SET deleted_at = sqlc.arg(at)::timestamptz, updated_at = sqlc.arg(at)::timestamptz, version = version + 1
WHERE pool_no = $1;

-- name: TakePlace :one
-- The row lock makes concurrent joins wait for each other; the table's CHECK
-- refuses one place too many.
UPDATE pool SET node_count = node_count + 1, updated_at = $2 WHERE pool_no = $1 AND deleted_at IS NULL
RETURNING pool_id, name, max_nodes, node_count, reward_per_epoch;

-- name: FreePlace :one
UPDATE pool SET node_count = node_count - 1, updated_at = $2 WHERE pool_no = $1
RETURNING pool_id, name, max_nodes, node_count, reward_per_epoch;

-- name: LockPools :many
-- Several pools are locked in the order of their numbers, so that two who want
-- the same ones wait instead of blocking each other.
SELECT pool_no, pool_id, max_nodes, node_count, node_types, regions FROM pool
WHERE pool_id = ANY(sqlc.arg(pool_ids)::text[]) AND deleted_at IS NULL
ORDER BY pool_no FOR NO KEY UPDATE;

-- name: InsertMembership :exec
-- It starts where the one before ended, so that no two ever overlap.
INSERT INTO pool_membership (node_no, pool_no, priority, from_at)
VALUES ($1, $2, $3, GREATEST(sqlc.arg(from_at)::timestamptz, (SELECT max(m.to_at) FROM pool_membership m WHERE m.node_no = $1)));

-- name: CloseMembership :one
UPDATE pool_membership SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond')
WHERE node_no = $1 AND to_at IS NULL
RETURNING pool_no, priority;

-- name: NodeID :one
SELECT node_id FROM node WHERE node_no = $1;

-- name: LockNode :one
SELECT n.node_no, n.node_type, COALESCE(p.pool_id, '')::text AS pool_id,
    COALESCE(n.location ->> 'country', '')::text AS country, COALESCE(n.location ->> 'region', '')::text AS region
FROM node n LEFT JOIN pool p USING (pool_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL FOR NO KEY UPDATE OF n;

-- name: Members :many
SELECT n.node_id, n.name, n.node_type, n.status, n.status_reason, n.online, n.poot_score, m.priority, m.from_at
FROM pool_membership m JOIN node n USING (node_no)
WHERE m.pool_no = $1 AND m.to_at IS NULL
ORDER BY m.priority DESC, n.name LIMIT sqlc.arg(most) OFFSET sqlc.arg(skip);

-- name: PoolNo :one
SELECT pool_no, node_count FROM pool WHERE pool_id = $1 AND deleted_at IS NULL;

-- name: NewcomerTraits :one
SELECT n.node_id, n.pool_no, n.node_type,
    COALESCE(n.location ->> 'country', '')::text AS country, COALESCE(n.location ->> 'region', '')::text AS region
FROM node n WHERE n.node_no = $1;

-- name: PoolsWithRoom :many
SELECT pool_no, pool_id, node_count, max_nodes, node_types, regions FROM pool
WHERE deleted_at IS NULL AND node_count < max_nodes
ORDER BY max_nodes - node_count DESC, pool_no;

-- name: Vitals :many
-- What the health of each live pool is judged by, with its newest verdict.
SELECT p.pool_no, p.pool_id, p.name, p.max_nodes, p.node_count, p.reward_per_epoch, m.expected, m.online, m.scored, m.score, m.alarmed,
    COALESCE(h.state, '')::text AS state, COALESCE(h.reasons, '{}')::text[] AS reasons
FROM pool p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.status IN ('starting', 'active', 'suspended', 'error'))::integer AS expected,
        count(*) FILTER (WHERE n.online AND n.status IN ('starting', 'active', 'suspended', 'error'))::integer AS online,
        count(*) FILTER (WHERE n.status IN ('active', 'suspended'))::integer AS scored,
        COALESCE(avg(n.poot_score) FILTER (WHERE n.status IN ('active', 'suspended')), 0)::bigint AS score,
        count(*) FILTER (WHERE n.online AND n.status IN ('starting', 'active', 'suspended', 'error') AND EXISTS (
            SELECT FROM alert a WHERE a.node_no = n.node_no AND a.state = 'firing' AND a.severity = 'critical'
              AND alert_silenced_by(n.node_no, n.pool_no, n.status, a.kind, sqlc.arg(at)) IS NULL))::integer AS alarmed
    FROM node n WHERE n.pool_no = p.pool_no
) m
LEFT JOIN LATERAL (
    SELECT state, reasons FROM pool_health WHERE pool_health.pool_no = p.pool_no ORDER BY at DESC LIMIT 1
) h ON true
WHERE p.deleted_at IS NULL
ORDER BY p.pool_no;

-- name: InsertHealth :batchexec
INSERT INTO pool_health (pool_no, at, checked_at, state, reasons, online, nodes, score)
VALUES ($1, sqlc.arg(at)::timestamptz, sqlc.arg(at)::timestamptz, $2, $3, $4, $5, $6)
ON CONFLICT (pool_no, at) DO NOTHING;

-- name: ConfirmHealth :batchexec
UPDATE pool_health SET checked_at = GREATEST(pool_health.checked_at, sqlc.arg(checked_at)::timestamptz), online = $2, nodes = $3, score = $4
WHERE pool_health.pool_no = $1 AND pool_health.at = (SELECT max(l.at) FROM pool_health l WHERE l.pool_no = $1);

-- name: ForgetHealth :exec
-- The newest row of a pool stays, however old.
DELETE FROM pool_health h
WHERE h.at < sqlc.arg(before) AND EXISTS (SELECT FROM pool_health l WHERE l.pool_no = h.pool_no AND l.at > h.at);

-- name: Loads :many
SELECT p.pool_no, p.pool_id, p.node_count, p.max_nodes, p.node_types, p.regions,
    COALESCE(h.state, '')::text AS state, COALESCE(h.at, p.created_at)::timestamptz AS state_since
FROM pool p
LEFT JOIN LATERAL (
    SELECT state, at FROM pool_health WHERE pool_health.pool_no = p.pool_no ORDER BY at DESC LIMIT 1
) h ON true
WHERE p.deleted_at IS NULL
ORDER BY p.pool_no;

-- name: LoadMembers :many
SELECT m.pool_no, n.node_id, n.node_type, n.online, m.priority, m.from_at,
    COALESCE(n.location ->> 'country', '')::text AS country, COALESCE(n.location ->> 'region', '')::text AS region
FROM pool_membership m JOIN node n USING (node_no)
WHERE m.to_at IS NULL AND n.status IN ('starting', 'active')
ORDER BY m.pool_no, n.node_no;

-- name: LockScalable :many
-- The pool's nodes that scaling may touch: at work, or parked by scaling. One
-- that was parked before its agent obeyed a start would be activated in vain.
SELECT n.node_no, n.node_id, n.status, n.online, n.poot_score, m.priority
FROM node n JOIN pool_membership m ON m.node_no = n.node_no AND m.to_at IS NULL
WHERE n.pool_no = $1 AND (n.status IN ('starting', 'active') OR n.status = 'inactive' AND n.status_reason = sqlc.arg(standby)::text AND NOT n.agent_stopped)
ORDER BY n.node_no FOR NO KEY UPDATE OF n;

-- name: FleetNodes :many
SELECT status, node_type, online, count(*) AS nodes, (count(*) FILTER (WHERE pool_no IS NULL)) AS outside,
    sum(poot_score)::bigint AS score
FROM node WHERE deleted_at IS NULL
GROUP BY status, node_type, online;

-- name: FleetPools :many
SELECT COALESCE(h.state, '')::text AS state, count(*) AS pools, sum(p.max_nodes)::bigint AS places, sum(p.node_count)::bigint AS taken
FROM pool p
LEFT JOIN LATERAL (
    SELECT state FROM pool_health WHERE pool_health.pool_no = p.pool_no ORDER BY at DESC LIMIT 1
) h ON true
WHERE p.deleted_at IS NULL
GROUP BY 1;

-- name: ScalingPools :many
SELECT pool_id FROM pool WHERE scales AND deleted_at IS NULL ORDER BY pool_no;

-- name: UsageOf :one
SELECT measured, cpu_percent FROM pool_usage WHERE pool_no = $1 AND at >= sqlc.arg(not_before)::timestamptz;

-- name: LastScaling :one
SELECT scaling_no, action, reason FROM pool_scaling WHERE pool_no = $1 ORDER BY scaling_no DESC LIMIT 1;

-- name: LastScaledAt :one
SELECT at FROM pool_scaling WHERE pool_no = $1 AND action <> 'hold' ORDER BY scaling_no DESC LIMIT 1;

-- name: InsertScaling :exec
INSERT INTO pool_scaling (pool_no, at, checked_at, action, reason, note, actor, target, working_before, working_after, activated, parked,
    standby, measured, cpu_percent, last_scaled_at, policy)
VALUES ($1, sqlc.arg(at), sqlc.arg(at), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: ConfirmScaling :exec
UPDATE pool_scaling SET checked_at = $2, checked_inputs = $3 WHERE scaling_no = $1;

-- name: Scalings :many
SELECT scaling_no, at, checked_at, action, reason, note, actor, target, working_before, working_after, activated, parked,
    standby, measured, cpu_percent, last_scaled_at, policy, checked_inputs
FROM pool_scaling WHERE pool_no = $1 AND (sqlc.arg(before)::bigint = 0 OR scaling_no < sqlc.arg(before)::bigint)
ORDER BY scaling_no DESC LIMIT sqlc.arg(most);

-- name: ForgetScalings :exec
DELETE FROM pool_scaling WHERE checked_at < sqlc.arg(before)::timestamptz;

-- name: DeletedPools :many
SELECT pool_id FROM pool WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT sqlc.arg(most);

-- name: Summaries :many
-- How each live pool is, in short.
SELECT p.pool_id, p.name, p.max_nodes, p.node_count, m.online, m.working, m.standby, m.score, m.warnings, m.criticals,
    COALESCE(h.state, '')::text AS state, COALESCE(h.reasons, '{}')::text[] AS reasons
FROM pool p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.online)::integer AS online,
        count(*) FILTER (WHERE n.status IN ('starting', 'active'))::integer AS working,
        count(*) FILTER (WHERE n.status = 'inactive' AND n.status_reason = sqlc.arg(standby)::text)::integer AS standby,
        COALESCE(avg(n.poot_score), 0)::bigint AS score,
        COALESCE(sum(f.warnings), 0)::integer AS warnings, COALESCE(sum(f.criticals), 0)::integer AS criticals
    FROM node n LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE a.severity = 'warning') AS warnings, count(*) FILTER (WHERE a.severity = 'critical') AS criticals
        FROM alert a WHERE a.node_no = n.node_no AND a.state = 'firing'
          AND alert_silenced_by(n.node_no, n.pool_no, n.status, a.kind, sqlc.arg(at)) IS NULL
    ) f ON true
    WHERE n.pool_no = p.pool_no
) m
LEFT JOIN LATERAL (
    SELECT state, reasons FROM pool_health WHERE pool_health.pool_no = p.pool_no ORDER BY at DESC LIMIT 1
) h ON true
WHERE p.deleted_at IS NULL
ORDER BY p.pool_no;
