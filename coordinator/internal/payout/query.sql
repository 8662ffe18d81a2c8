-- name: Standings :many
-- What counts of nodes when they are to be paid.
SELECT n.node_no, n.node_id,
    effective_payout_address(n.payout_address, n.payout_address_before, n.payout_address_due, @at)::text AS address,
    coalesce(a.balance, 0)::bigint AS payable, coalesce(p.payout_id, '')::text AS live
FROM node n
LEFT JOIN account a ON a.kind = 'payable' AND a.owner = n.node_id AND a.asset = 'USDT'
LEFT JOIN payout p ON p.node_no = n.node_no AND p.status IN ('pending', 'processing')
WHERE n.node_id = ANY(@node_ids::text[]);

-- name: InsertPayouts :exec
-- The epoch stands for "not scheduled": an array of times has no null.
INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, priority, scheduled_at, batch_id, created_by, needs_approval,
    created_at, updated_at)
SELECT l.payout_id, l.node_no, l.amount, l.fee, l.amount - l.fee, l.wallet_address, l.priority, NULLIF(l.scheduled_at, 'epoch'),
    sqlc.narg(batch_id)::text, @created_by::text, @needs_approval::boolean, @at::timestamptz, @at::timestamptz
FROM (SELECT unnest(@payout_ids::text[]) AS payout_id, unnest(@node_nos::integer[]) AS node_no, unnest(@amounts::bigint[]) AS amount,
    unnest(@fees::bigint[]) AS fee, unnest(@wallet_addresses::text[]) AS wallet_address, unnest(@priorities::text[]) AS priority,
    unnest(@scheduled_ats::timestamptz[]) AS scheduled_at) l;

-- name: PayoutsByID :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no) WHERE payout.payout_id = ANY(@payout_ids::text[]) ORDER BY payout_no;

-- name: CreatedSince :one
-- What somebody asked for, under all his names; what was cancelled moved nothing.
SELECT coalesce(sum(amount), 0)::bigint FROM payout WHERE created_by = ANY(@creators::text[]) AND created_at > @since AND status <> 'cancelled';

-- name: InsertBatch :exec
INSERT INTO payout_batch (batch_id, created_by, created_at, dropped) VALUES (@batch_id, @created_by, @created_at, @dropped);

-- name: Batch :one
SELECT * FROM payout_batch WHERE batch_id = @batch_id;

-- name: PayoutsOfBatch :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no) WHERE payout.batch_id = @batch_id::text ORDER BY payout_no;

-- name: TakeRequestTurn :exec
SELECT pg_advisory_xact_lock(hashtextextended(encode(@request_key::bytea, 'hex'), 14));

-- name: FindRequest :one
SELECT input, made FROM payout_request WHERE request_key = @request_key;

-- name: InsertRequest :exec
INSERT INTO payout_request (request_key, input, made, at) VALUES (@request_key, @input, @made, @at);

-- name: Approve :exec
UPDATE payout SET approved_by = @approved_by, approved_at = @approved_at, updated_at = @approved_at WHERE payout_no = @payout_no;

-- name: Makers :many
-- Somebody and, of an API key, who made it, who made that, and so on.
WITH RECURSIVE makers AS (
    SELECT @actor::text AS actor
    UNION
    SELECT a.actor FROM makers m JOIN audit_entry a ON a.action = 'apikey.create' AND a.target = m.actor
)
SELECT actor FROM makers WHERE actor <> 'system';

-- name: Made :many
-- Somebody and all API keys that were made by these, or by such keys.
WITH RECURSIVE made AS (
    SELECT unnest(@actors::text[]) AS actor
    UNION
    SELECT a.target FROM made m JOIN audit_entry a ON a.action = 'apikey.create' AND a.actor = m.actor
)
SELECT actor::text FROM made;

-- name: Budget :one
SELECT * FROM payout_budget WHERE ended_at IS NULL;

-- name: HadBudget :one
SELECT EXISTS (SELECT FROM payout_budget);

-- name: EndBudget :exec
UPDATE payout_budget SET ended_at = @at WHERE ended_at IS NULL;

-- name: InsertBudget :exec
INSERT INTO payout_budget (per_day, approved_by, approved_at) VALUES (@per_day, @approved_by, @approved_at);

-- name: CountPayouts :one
SELECT count(*) FROM payout WHERE node_no = @node_no AND (@status::text = '' OR status = @status);

-- name: Newest :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no)
WHERE (@status::text = '' OR payout.status = @status) AND payout.payout_no < @before
    AND (cardinality(@node_ids::text[]) = 0 OR node.node_id = ANY(@node_ids))
ORDER BY payout.payout_no DESC LIMIT @most;

-- name: Payouts :many
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no)
WHERE payout.node_no = @node_no AND (@status::text = '' OR payout.status = @status) AND payout.payout_no < @before
ORDER BY payout.payout_no DESC OFFSET @skip LIMIT @most;

-- name: Payout :one
SELECT sqlc.embed(payout), node.node_id FROM payout JOIN node USING (node_no) WHERE payout.payout_id = @payout_id;

-- name: LockPayout :one
SELECT sqlc.embed(payout), node.node_id,
    effective_payout_address(node.payout_address, node.payout_address_before, node.payout_address_due, @at)::text AS address,
    EXISTS (SELECT FROM forfeited_by(payout.node_no, payout.payout_no))::boolean AS forfeited
FROM payout JOIN node USING (node_no)
WHERE payout.payout_id = @payout_id FOR UPDATE OF payout;

-- name: LockQueue :many
-- What is next to be paid. Who waits for another's lock is skipped: it is being taken.
SELECT sqlc.embed(payout), node.node_id,
    effective_payout_address(node.payout_address, node.payout_address_before, node.payout_address_due, @at)::text AS address,
    EXISTS (SELECT FROM forfeited_by(payout.node_no, payout.payout_no))::boolean AS forfeited
FROM payout JOIN node USING (node_no)
WHERE payout.status = 'pending' AND (payout.scheduled_at IS NULL OR payout.scheduled_at <= @at)
    AND (NOT payout.needs_approval OR payout.approved_at IS NOT NULL) AND payout.node_no <> ALL(@left_out::integer[])
ORDER BY CASE payout.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, payout.payout_no
LIMIT @most FOR UPDATE OF payout SKIP LOCKED;

-- name: ForfeitedPending :many
SELECT payout_id FROM payout CROSS JOIN LATERAL forfeited_by(payout.node_no, payout.payout_no)
WHERE status = 'pending' GROUP BY payout_no ORDER BY payout_no;

-- name: PendingOf :many
SELECT payout_id FROM payout WHERE node_no = @node_no AND status = 'pending' ORDER BY payout_no;

-- name: PaidBy :one
-- The payout that a transaction paid, in whatever way it was written down.
SELECT payout_id FROM payout WHERE same_transaction(transaction_hash) = same_transaction(@transaction_hash::text) LIMIT 1;

-- name: ChainEnds :one
-- Where the chains of ledger and audit log end; 0 before the first entry.
SELECT coalesce(e.entry_no, 0)::bigint AS entry_no, coalesce(e.hash, '')::bytea AS entry, coalesce(a.entry_no, 0)::bigint AS audit_no, coalesce(a.hash, '')::bytea AS audit
FROM (SELECT max(entry_no) AS last_entry, (SELECT max(entry_no) FROM audit_entry) AS last_audit FROM entry) ends
LEFT JOIN entry e ON e.entry_no = ends.last_entry LEFT JOIN audit_entry a ON a.entry_no = ends.last_audit;

-- name: HasChains :one
-- Whether both chains hold what they once ended with; 0 is in every chain.
SELECT ((@entry_no::bigint = 0 OR EXISTS (SELECT FROM entry WHERE entry.entry_no = @entry_no AND entry.hash = @entry::bytea))
    AND (@audit_no::bigint = 0 OR EXISTS (SELECT FROM audit_entry WHERE audit_entry.entry_no = @audit_no AND audit_entry.hash = @audit::bytea)))::boolean AS has;

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

-- name: Stats :many
-- Payouts that were made in a time, by status, priority and rail.
SELECT status, priority, coalesce(rail, '')::text AS rail, count(*) AS payouts, sum(amount)::bigint AS amount, sum(fee)::bigint AS fee,
    sum(net_amount)::bigint AS net_amount,
    coalesce(sum(extract(epoch FROM completed_at - processed_at) * 1000) FILTER (WHERE status = 'completed'), 0)::bigint AS processing_ms
FROM payout
WHERE (@since::timestamptz = 'epoch' OR created_at > @since) AND (cardinality(@node_ids::text[]) = 0 OR node_no IN (SELECT node_no FROM node WHERE node_id = ANY(@node_ids)))
GROUP BY status, priority, rail;

-- name: QueueStats :many
-- What waits, by priority and by what it waits for.
SELECT priority, CASE WHEN needs_approval AND approved_at IS NULL THEN 'approval' WHEN scheduled_at > @at THEN 'schedule' ELSE 'turn' END::text AS waits_for,
    count(*) AS payouts, sum(net_amount)::bigint AS net_amount, min(created_at)::timestamptz AS oldest, max(created_at)::timestamptz AS newest
FROM payout
WHERE status = 'pending' AND (cardinality(@node_ids::text[]) = 0 OR node_no IN (SELECT node_no FROM node WHERE node_id = ANY(@node_ids)))
GROUP BY 1, 2;

-- name: MeanWait :one
-- From creation to the beginning of payment, of payouts that began since; -1 for none.
SELECT coalesce(avg(extract(epoch FROM processed_at - greatest(created_at, coalesce(scheduled_at, created_at), coalesce(approved_at, created_at))) * 1000), -1)::bigint
FROM payout WHERE processed_at > @since;
