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

-- name: Payees :many
-- Of those, who can be paid: an address and no live payout.
SELECT node_no, node_id, payout_address FROM node
WHERE node_id = ANY(@node_ids::text[]) AND payout_address <> ''
AND NOT EXISTS (SELECT 1 FROM payout WHERE payout.node_no = node.node_no AND payout.status IN ('pending', 'processing'))
ORDER BY node_no;

-- name: PayoutAddress :one
SELECT payout_address FROM node WHERE node_no = @node_no;

-- name: InsertPayout :one
INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
VALUES (@payout_id, @node_no, @amount, @fee, @net_amount, @wallet_address, @at, @at)
ON CONFLICT (node_no) WHERE status IN ('pending', 'processing') DO NOTHING
RETURNING payout_no;

-- name: NodeID :one
SELECT node_id FROM node WHERE node_no = @node_no;

-- name: Lines :many
SELECT l.epoch_no, pool.pool_id, e.starts_at, e.ends_at, e.reward, l.member_ms, l.credited_ms, l.score, l.factors,
    l.weight, l.share, l.destination, l.reasons
FROM statement_line l JOIN epoch e USING (epoch_no) JOIN pool USING (pool_no)
WHERE l.node_no = @node_no ORDER BY l.epoch_no DESC LIMIT @most;

-- name: CountPayouts :one
SELECT count(*) FROM payout WHERE node_no = @node_no AND (@status::text = '' OR status = @status);

-- name: AllPayouts :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no)
WHERE sqlc.arg(status)::text = '' OR payout.status = sqlc.arg(status)
ORDER BY payout_no DESC LIMIT sqlc.arg(most);

-- name: Payouts :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no)
WHERE payout.node_no = @node_no AND (@status::text = '' OR payout.status = @status) AND payout.payout_no < @before
ORDER BY payout.payout_no DESC OFFSET @skip LIMIT @most;

-- name: Payout :one
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no) WHERE payout.payout_id = @payout_id;

-- name: LockPayout :one
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no)
WHERE payout.payout_id = @payout_id FOR UPDATE OF payout;

-- name: StepPayout :exec
UPDATE payout SET status = @status, transaction_hash = @transaction_hash, error_message = @error_message,
    processed_at = @processed_at, completed_at = @completed_at, retry_count = @retry_count, updated_at = @updated_at
WHERE payout_no = @payout_no;
