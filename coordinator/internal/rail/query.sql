-- name: LiveAttempts :many
SELECT sqlc.embed(rail_attempt), payout.payout_id FROM rail_attempt JOIN payout USING (payout_no)
WHERE rail_attempt.state = 'live' ORDER BY rail_attempt.attempt_no;

-- name: LockAttempt :one
SELECT state FROM rail_attempt WHERE attempt_no = @attempt_no FOR UPDATE;

-- name: InsertAttempt :one
INSERT INTO rail_attempt (payout_no, tx_id, raw, signature, ref_block, wallet, contract, payee, amount, expires_at, estimate_sun, created_at)
VALUES (@payout_no, @tx_id, @raw, @signature, @ref_block, @wallet, @contract, @payee, @amount, @expires_at, @estimate_sun, @created_at)
ON CONFLICT DO NOTHING
RETURNING attempt_no;

-- name: HasAttempt :one
SELECT EXISTS (SELECT FROM rail_attempt WHERE tx_id = @tx_id);

-- name: DecideAttempt :exec
UPDATE rail_attempt SET state = @state, decided_at = @decided_at, block_no = @block_no, result = @result, fee_sun = @fee_sun, energy = @energy
WHERE attempt_no = @attempt_no;

-- name: SyncCommit :exec
-- What is sent must be on the disk, and with a synchronous standby on its too.
SELECT set_config('synchronous_commit', 'on', true);

-- name: Begun :many
-- Payouts that were taken and have no transaction under way.
SELECT payout_no, payout_id, wallet_address, net_amount FROM payout
WHERE status = 'processing' AND rail = 'tron'
AND NOT EXISTS (SELECT 1 FROM rail_attempt a WHERE a.payout_no = payout.payout_no AND a.state IN ('live', 'paid'))
ORDER BY payout_no LIMIT @most;

-- name: HasTransaction :one
-- Whether a transaction may pay a payout yet, or has.
SELECT EXISTS (SELECT 1 FROM rail_attempt WHERE payout_no = @payout_no AND state IN ('live', 'paid'));

-- name: Next :many
-- The head of the queue, without what waits for a better price or an approval:
-- one that is not to be paid yet must not stop the others for want of funds.
SELECT payout.payout_no, payout.payout_id, payout.fee, payout.net_amount,
    effective_payout_address(node.payout_address, node.payout_address_before, node.payout_address_due, @at)::text AS address
FROM payout JOIN node USING (node_no)
WHERE payout.status = 'pending' AND (payout.scheduled_at IS NULL OR payout.scheduled_at <= @at)
AND (NOT payout.needs_approval OR payout.approved_at IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM rail_deferral d WHERE d.payout_no = payout.payout_no AND d.until > @at)
ORDER BY CASE payout.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, payout.payout_no
LIMIT @most;

-- name: LiveUntil :one
-- When the transaction of a payout expires that is under way; 1970 for none.
SELECT coalesce((SELECT expires_at FROM rail_attempt WHERE payout_no = @payout_no AND state = 'live'), 'epoch')::timestamptz;

-- name: PutOff :exec
INSERT INTO rail_deferral (payout_no, reason, until) VALUES (@payout_no, @reason, @until)
ON CONFLICT (payout_no) DO UPDATE SET reason = EXCLUDED.reason, until = EXCLUDED.until;

-- name: Deferrals :many
SELECT payout.payout_id, d.reason, d.until FROM rail_deferral d JOIN payout USING (payout_no) WHERE payout.status = 'pending' ORDER BY d.payout_no LIMIT @most;

-- name: LastBlock :one
SELECT coalesce(max(block_no), 0)::bigint FROM rail_attempt WHERE block_no IS NOT NULL;

-- name: State :one
SELECT * FROM rail_state;

-- name: SetState :exec
INSERT INTO rail_state (network, system_id, timeline, seen_block, scan_next, scan_until)
VALUES (@network, @system_id, @timeline, @seen_block, @scan_next, @scan_until)
ON CONFLICT (one) DO UPDATE SET system_id = EXCLUDED.system_id, timeline = EXCLUDED.timeline, seen_block = EXCLUDED.seen_block,
    scan_next = EXCLUDED.scan_next, scan_until = EXCLUDED.scan_until;

-- name: Open :one
-- What may leave, or have left, the wallet by transactions under way; each may
-- burn up to twice its estimate.
SELECT count(*) AS live, coalesce(sum(amount), 0)::bigint AS amount, coalesce(sum(2 * estimate_sun), 0)::bigint AS sun
FROM rail_attempt WHERE state = 'live' AND wallet = @wallet;

-- name: KnownTransactions :many
SELECT tx_id FROM rail_attempt WHERE tx_id = ANY(@tx_ids::bytea[]);

-- name: AddOutflow :exec
INSERT INTO rail_outflow (tx_id, block_no, found_at) VALUES (@tx_id, @block_no, @found_at) ON CONFLICT DO NOTHING;

-- name: OpenOutflows :many
SELECT tx_id, block_no, found_at FROM rail_outflow WHERE matched_at IS NULL ORDER BY block_no, tx_id;

-- name: MatchOutflow :exec
INSERT INTO rail_outflow (tx_id, block_no, found_at, matched_at, matched_by, note)
VALUES (@tx_id, @block_no, @at, @at, sqlc.arg(matched_by)::text, sqlc.arg(note)::text)
ON CONFLICT (tx_id) DO UPDATE SET matched_at = EXCLUDED.matched_at, matched_by = EXCLUDED.matched_by, note = EXCLUDED.note;
