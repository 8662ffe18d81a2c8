-- name: Pools :many
-- Those that have epochs to close, all or some: a deleted one has until the
-- epoch in which it ended is closed. last_end is the end of its last closed
-- epoch; 1970 when there is none.
SELECT p.pool_no, p.pool_id, p.reward_per_epoch, p.node_count, p.created_at, p.deleted_at, coalesce(last.ends_at, 'epoch')::timestamptz AS last_end
FROM pool p LEFT JOIN LATERAL (
    SELECT e.ends_at FROM epoch e WHERE e.pool_no = p.pool_no ORDER BY e.starts_at DESC LIMIT 1
) last ON true
WHERE (coalesce(cardinality(@pool_nos::integer[]), 0) = 0 OR p.pool_no = ANY(@pool_nos::integer[]))
  AND (p.deleted_at IS NULL OR p.deleted_at > coalesce(last.ends_at, '-infinity'))
ORDER BY p.pool_no;

-- name: Memberships :many
SELECT m.pool_no, m.node_no, node.node_id, m.from_at, m.to_at
FROM pool_membership m JOIN node USING (node_no)
WHERE m.pool_no = ANY(@pool_nos::integer[]) AND (@node_no::integer = 0 OR m.node_no = @node_no) AND m.from_at < @until AND (m.to_at IS NULL OR m.to_at > @since)
ORDER BY m.pool_no, m.node_no, m.from_at;

-- name: Presences :many
SELECT node_no, from_at, to_at FROM node_presence
WHERE node_no = ANY(@node_nos::integer[]) AND from_at <= @until AND (to_at IS NULL OR to_at >= @since);

-- name: States :many
SELECT node_no, status, from_at, to_at FROM node_state
WHERE node_no = ANY(@node_nos::integer[]) AND from_at <= @until AND (to_at IS NULL OR to_at >= @since);

-- name: InsertEpochs :many
-- One that another closer was first with is missing in the answer. The zero
-- UUID stands for no entry.
INSERT INTO epoch (pool_no, starts_at, ends_at, reward, entry_id, closed_at)
SELECT e.pool_no, @starts_at, @ends_at, e.reward, nullif(e.entry_id, '00000000-0000-0000-0000-000000000000'), @closed_at
FROM (SELECT unnest(@pool_nos::integer[]) AS pool_no, unnest(@rewards::bigint[]) AS reward, unnest(@entry_ids::uuid[]) AS entry_id) e
ON CONFLICT (pool_no, starts_at) DO NOTHING
RETURNING epoch_no, pool_no;

-- name: InsertLines :copyfrom
INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
VALUES (@epoch_no, @node_no, @member_ms, @credited_ms, @score, @factors, @weight, @share, @destination, @reasons);

-- name: NodesByID :many
SELECT node_no, node_id FROM node WHERE node_id = ANY(@node_ids::text[]) ORDER BY node_no;

-- name: NodeID :one
SELECT node_id FROM node WHERE node_no = @node_no;

-- name: Fees :one
-- Of the payouts that are in flight or were paid: the rest are the node's again.
SELECT coalesce(sum(fee), 0)::bigint FROM payout WHERE node_no = @node_no AND status IN ('pending', 'processing', 'completed');

-- name: Lines :many
SELECT l.epoch_no, pool.pool_id, e.starts_at, e.ends_at, e.reward, l.member_ms, l.credited_ms, l.score, l.factors,
    l.weight, l.share, l.destination, l.reasons
FROM statement_line l JOIN epoch e USING (epoch_no) JOIN pool USING (pool_no)
WHERE l.node_no = @node_no ORDER BY l.epoch_no DESC LIMIT @most;

-- name: Closed :many
-- Closed epochs in the order of their closing, from one after a number on.
SELECT e.epoch_no, e.pool_no, p.pool_id, e.starts_at, e.ends_at, e.reward, e.entry_id, e.closed_at
FROM epoch e JOIN pool p USING (pool_no)
WHERE e.epoch_no > @after AND e.closed_at >= @since AND e.closed_at < @until
ORDER BY e.epoch_no LIMIT @most;

-- name: ClosedOf :many
-- Those of a node that overlap a span of time: its lines lead to its epochs, one
-- by one, which OFFSET holds the planner to. All epochs of all pools are far more.
SELECT e.epoch_no, e.pool_no, p.pool_id, e.starts_at, e.ends_at, e.reward, e.entry_id, e.closed_at
FROM statement_line l
CROSS JOIN LATERAL (SELECT * FROM epoch WHERE epoch.epoch_no = l.epoch_no AND ends_at > @since AND starts_at < @until OFFSET 0) e
JOIN pool p ON p.pool_no = e.pool_no
WHERE l.node_no = @node_no AND l.epoch_no > @after
ORDER BY l.epoch_no LIMIT @most;

-- name: LinesOf :many
SELECT l.node_no, node.node_id, l.member_ms, l.credited_ms, l.score, l.factors, l.weight, l.share, l.destination, l.reasons
FROM statement_line l JOIN node USING (node_no)
WHERE l.epoch_no = @epoch_no AND (@node_no::integer = 0 OR l.node_no = @node_no) ORDER BY l.node_no;

-- name: MostReward :many
-- The largest reward of each pool's closed epochs since a time.
SELECT pool_no, max(reward)::bigint AS reward FROM epoch WHERE pool_no = ANY(@pool_nos::integer[]) AND starts_at >= @since GROUP BY pool_no;

-- name: EarnedOn :many
SELECT l.node_no, sum(l.share)::bigint AS earned FROM statement_line l JOIN epoch e USING (epoch_no)
WHERE l.node_no = ANY(@node_nos::integer[]) AND e.starts_at >= @since AND e.starts_at < @until GROUP BY l.node_no;

-- name: PoolWeight :one
SELECT coalesce(sum(weight), 0)::text AS weight FROM statement_line WHERE epoch_no = @epoch_no;
