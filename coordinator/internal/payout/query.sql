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
