-- name: Payees :many
-- Of those, who can be paid: an address and no live payout.
SELECT node_no, node_id, address::text FROM node,
    effective_payout_address(payout_address, payout_address_before, payout_address_due, @at) AS address
WHERE node_id = ANY(@node_ids::text[]) AND address <> ''
AND NOT EXISTS (SELECT 1 FROM payout WHERE payout.node_no = node.node_no AND payout.status IN ('pending', 'processing'))
ORDER BY node_no;

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
SELECT sqlc.embed(payout), node.node_id,
    effective_payout_address(node.payout_address, node.payout_address_before, node.payout_address_due, @at)::text AS address
FROM payout JOIN node USING (node_no)
WHERE payout.payout_id = @payout_id FOR UPDATE OF payout;

-- name: LockQueue :many
-- What is next to be paid. Who waits for another's lock is skipped: it is being taken.
SELECT sqlc.embed(payout), node.node_id,
    effective_payout_address(node.payout_address, node.payout_address_before, node.payout_address_due, @at)::text AS address
FROM payout JOIN node USING (node_no)
WHERE payout.status = 'pending' AND (payout.scheduled_at IS NULL OR payout.scheduled_at <= @at) AND payout.node_no <> ALL(@left_out::integer[])
ORDER BY CASE payout.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, payout.payout_no
LIMIT @most FOR UPDATE OF payout SKIP LOCKED;

-- name: PendingOf :many
SELECT payout_id FROM payout WHERE node_no = @node_no AND status = 'pending' ORDER BY payout_no;

-- name: PaidBy :one
-- The payout that a transaction paid.
SELECT payout_id FROM payout WHERE transaction_hash = @transaction_hash::text LIMIT 1;

-- name: HoldGate :exec
-- While it is held no halt is written, so the halts that were read stay true.
LOCK TABLE payout_halt IN SHARE MODE;

-- name: OpenHalts :many
SELECT * FROM payout_halt WHERE lifted_at IS NULL ORDER BY halt_no;

-- name: InsertHalt :one
INSERT INTO payout_halt (reason, halted_by, halted_at) VALUES (@reason, @halted_by, @halted_at)
ON CONFLICT (reason) WHERE lifted_at IS NULL DO NOTHING
RETURNING *;

-- name: LiftHalt :one
UPDATE payout_halt SET lifted_by = @lifted_by, lifted_at = @lifted_at WHERE halt_no = @halt_no AND lifted_at IS NULL RETURNING *;

-- name: StepPayout :exec
UPDATE payout SET status = @status, rail = @rail, wallet_address = @wallet_address, transaction_hash = @transaction_hash, error_message = @error_message,
    processed_at = @processed_at, completed_at = @completed_at, retry_count = @retry_count, updated_at = @updated_at
WHERE payout_no = @payout_no;
