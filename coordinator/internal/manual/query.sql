-- name: InsertExport :exec
INSERT INTO payout_export (export_id, created_by, created_at, file_version) VALUES (@export_id, @created_by, @created_at, @file_version);

-- name: InsertLines :exec
INSERT INTO payout_export_line (export_id, payout_no, retry_count, wallet_address, net_amount)
SELECT @export_id::text, payout_no, retry_count, wallet_address, net_amount FROM payout WHERE payout_no = ANY(@payout_nos::bigint[]);

-- name: Export :one
SELECT * FROM payout_export WHERE export_id = @export_id;

-- name: Lines :many
SELECT p.payout_id, n.node_id, l.wallet_address, l.net_amount, p.amount, p.fee
FROM payout_export_line l JOIN payout p USING (payout_no) JOIN node n USING (node_no)
WHERE l.export_id = @export_id ORDER BY l.payout_no;

-- name: Open :many
-- What is being paid by hand, the oldest first; then what is pending, where
-- payouts are halted for such a reason.
SELECT p.payout_id, n.node_id, p.wallet_address, p.net_amount
FROM payout p JOIN node n USING (node_no)
WHERE p.status = 'processing' AND p.rail = 'manual'
    OR p.status = 'pending' AND EXISTS (SELECT FROM payout_halt h WHERE h.lifted_at IS NULL AND h.reason = ANY(@maybe_paid::text[]))
ORDER BY p.processed_at, p.payout_no;

-- name: Paid :many
-- The payouts that these transactions paid, in whatever way they were written down.
SELECT payout_id, same_transaction(transaction_hash)::text AS same, wallet_address, net_amount FROM payout
WHERE same_transaction(transaction_hash) = ANY(@same::text[]);

-- name: Report :exec
-- Reported again before it is confirmed, the new report counts.
INSERT INTO payout_failure (payout_no, retry_count, reason, proof, reported_by, reported_at)
VALUES (@payout_no, @retry_count, @reason, @proof, @reported_by, @reported_at)
ON CONFLICT (payout_no, retry_count) DO UPDATE SET reason = excluded.reason, proof = excluded.proof,
    reported_by = excluded.reported_by, reported_at = excluded.reported_at
WHERE payout_failure.confirmed_by IS NULL;

-- name: Failure :one
SELECT f.* FROM payout_failure f JOIN payout p USING (payout_no) WHERE p.payout_id = @payout_id ORDER BY f.retry_count DESC LIMIT 1;

-- name: LockFailure :one
SELECT f.* FROM payout_failure f JOIN payout p USING (payout_no)
WHERE p.payout_id = @payout_id AND f.retry_count = p.retry_count FOR UPDATE OF f;

-- name: Confirm :exec
UPDATE payout_failure SET confirmed_by = @confirmed_by, confirmed_at = @confirmed_at WHERE payout_no = @payout_no AND retry_count = @retry_count;
