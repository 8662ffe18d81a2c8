-- name: Insert :exec
INSERT INTO webhook (webhook_id, type, url, kinds, min_severity, secret_box, created_at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, sqlc.arg(at), sqlc.arg(at));

-- name: Live :many
SELECT * FROM webhook WHERE deleted_at IS NULL ORDER BY created_at DESC, webhook_id LIMIT @most OFFSET @skip;

-- name: CountLive :one
SELECT count(*) FROM webhook WHERE deleted_at IS NULL;

-- name: Receivers :many
-- Those that are told by deliveries.
SELECT webhook_id, kinds, min_severity FROM webhook WHERE deleted_at IS NULL AND type = 'webhook';

-- name: IsLive :one
SELECT EXISTS (SELECT FROM webhook WHERE webhook_id = $1 AND deleted_at IS NULL);

-- name: Lock :one
SELECT * FROM webhook WHERE webhook_id = $1 AND deleted_at IS NULL FOR UPDATE;

-- name: Delete :exec
UPDATE webhook SET deleted_at = @at::timestamptz WHERE webhook_id = @webhook_id;

-- name: AbandonDeliveries :exec
UPDATE webhook_delivery SET state = 'failed', ended_at = @at::timestamptz, last_error = 'the webhook was deleted'
WHERE webhook_id = @webhook_id AND state = 'open';

-- name: InsertDelivery :exec
INSERT INTO webhook_delivery (message_id, webhook_id, created_at, body) VALUES ($1, $2, $3, $4);

-- name: Due :many
-- Whom there may be something to tell, and who need not be left in peace.
SELECT * FROM webhook w WHERE w.deleted_at IS NULL AND w.next_at <= @at
  AND (w.type = 'alertmanager' OR EXISTS (SELECT FROM webhook_delivery d WHERE d.webhook_id = w.webhook_id AND d.state = 'open'))
ORDER BY w.next_at;

-- name: Oldest :one
SELECT delivery_no, message_id, created_at, body, attempts FROM webhook_delivery
WHERE webhook_id = $1 AND state = 'open' ORDER BY delivery_no LIMIT 1;

-- name: EndDelivery :execrows
UPDATE webhook_delivery SET state = $2, attempts = attempts + 1, status = $3, last_error = $4, ended_at = @at::timestamptz
WHERE delivery_no = $1 AND state = 'open';

-- name: ExpireDeliveries :execrows
UPDATE webhook_delivery SET state = 'failed', last_error = $2, ended_at = @at::timestamptz
WHERE webhook_id = $1 AND state = 'open' AND created_at <= @made_before;

-- name: RetryDelivery :execrows
UPDATE webhook_delivery SET attempts = attempts + 1, status = $2, last_error = $3 WHERE delivery_no = $1 AND state = 'open';

-- name: Succeeded :exec
UPDATE webhook SET failures = 0, succeeded_at = @at::timestamptz, next_at = @next_at WHERE webhook_id = $1;

-- name: Failed :exec
UPDATE webhook SET failures = failures + 1, failed_at = @at::timestamptz, last_error = $2, next_at = @next_at WHERE webhook_id = $1;

-- name: Deliveries :many
SELECT delivery_no, message_id, created_at, state, attempts, status, last_error, ended_at FROM webhook_delivery
WHERE webhook_id = $1 ORDER BY delivery_no DESC LIMIT @most OFFSET @skip;

-- name: CountDeliveries :one
SELECT count(*) FROM webhook_delivery WHERE webhook_id = $1;

-- name: Forget :exec
DELETE FROM webhook_delivery WHERE delivery_no IN (
    SELECT d.delivery_no FROM webhook_delivery d WHERE d.state <> 'open' AND d.ended_at < @before::timestamptz LIMIT @most);

-- name: Present :many
-- What an Alertmanager is told: what fires and is not silenced, and what ended
-- a short while ago after it had been told.
SELECT a.alert_no, n.node_id, n.name, COALESCE(p.pool_id, '')::text AS pool_id, a.kind, a.state, a.severity, a.value, a.threshold,
    a.detail, a.fired_at, a.resolved_at, a.worst
FROM alert a JOIN node n USING (node_no) LEFT JOIN pool p ON p.pool_no = n.pool_no
WHERE a.state = 'firing' AND alert_silenced_by(a.node_no, n.pool_no, n.status, a.kind, @at) IS NULL
   OR a.state = 'resolved' AND a.resolved_at > @ended_after::timestamptz AND a.told_at IS NOT NULL
ORDER BY a.alert_no;
