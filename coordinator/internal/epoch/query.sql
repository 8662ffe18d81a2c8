-- name: PoolNos :many
-- A deleted pool has epochs to close until the one in which it ended is.
SELECT pool_no FROM pool p
WHERE deleted_at IS NULL OR deleted_at > coalesce((SELECT e.ends_at FROM epoch e WHERE e.pool_no = p.pool_no ORDER BY e.starts_at DESC LIMIT 1),
    '-infinity')
ORDER BY pool_no;

-- name: Pool :one
-- last_end is the end of the last closed epoch; 1970 when there is none.
SELECT pool.pool_no, pool.pool_id, pool.reward_per_epoch, pool.created_at, pool.deleted_at,
    coalesce((SELECT ends_at FROM epoch WHERE epoch.pool_no = pool.pool_no ORDER BY starts_at DESC LIMIT 1), 'epoch')::timestamptz AS last_end
FROM pool WHERE pool.pool_no = @pool_no;

-- name: Memberships :many
SELECT m.node_no, node.node_id, m.from_at, m.to_at
FROM pool_membership m JOIN node USING (node_no)
WHERE m.pool_no = @pool_no AND m.from_at < @until AND (m.to_at IS NULL OR m.to_at > @since)
ORDER BY m.node_no, m.from_at;

-- name: Presences :many
SELECT node_no, from_at, to_at FROM node_presence
WHERE node_no = ANY(@node_nos::integer[]) AND from_at <= @until AND (to_at IS NULL OR to_at >= @since);

-- name: States :many
SELECT node_no, status, from_at, to_at FROM node_state
WHERE node_no = ANY(@node_nos::integer[]) AND from_at <= @until AND (to_at IS NULL OR to_at >= @since);

-- name: InsertEpoch :one
INSERT INTO epoch (pool_no, starts_at, ends_at, reward, entry_id, closed_at)
VALUES (@pool_no, @starts_at, @ends_at, @reward, @entry_id, @closed_at)
ON CONFLICT (pool_no, starts_at) DO NOTHING
RETURNING epoch_no;

-- name: InsertLine :batchexec
INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
VALUES (@epoch_no, @node_no, @member_ms, @credited_ms, @score, @factors, @weight, @share, @destination, @reasons);

-- name: NodesByID :many
SELECT node_no, node_id FROM node WHERE node_id = ANY(@node_ids::text[]) ORDER BY node_no;

-- name: NodeID :one
SELECT node_id FROM node WHERE node_no = @node_no;

-- name: Lines :many
SELECT l.epoch_no, pool.pool_id, e.starts_at, e.ends_at, e.reward, l.member_ms, l.credited_ms, l.score, l.factors,
    l.weight, l.share, l.destination, l.reasons
FROM statement_line l JOIN epoch e USING (epoch_no) JOIN pool USING (pool_no)
WHERE l.node_no = @node_no ORDER BY l.epoch_no DESC LIMIT @most;
