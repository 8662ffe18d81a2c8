-- name: TakeTurn :one
-- Waits for what is being written in the turn before, and sees it.
UPDATE alert_turn SET turn = turn + 1 RETURNING turn;

-- name: HoldsTurn :one
-- Until the transaction ends, nobody else takes the next.
SELECT turn = $1 AS holds FROM alert_turn FOR SHARE;

-- name: WatchedNodes :many
-- Every node, and when one that is not connected left and was heard.
SELECT n.node_no, n.node_id, n.name, n.pool_no, COALESCE(p.pool_id, '')::text AS pool_id, n.status, n.online, l.left_at, h.at AS heard_at
FROM node n JOIN node_heartbeat h USING (node_no) LEFT JOIN pool p USING (pool_no)
LEFT JOIN LATERAL (
    SELECT e.to_at AS left_at FROM node_presence e WHERE e.node_no = n.node_no AND NOT n.online ORDER BY e.from_at DESC LIMIT 1
) l ON true
WHERE n.deleted_at IS NULL;

-- name: NewSamples :many
SELECT node_no, received_at, body FROM sample_latest WHERE received_at > @since;

-- name: NewRefusals :many
-- The newest sample of each node that was refused for its time.
SELECT node_no, received_at, at FROM sample_untimely WHERE received_at > @since;

-- name: NewVerdicts :many
-- How many of the newest verdicts of a node failed in a row, twenty at most,
-- of the nodes that got one. What says nothing of a node is left out.
SELECT s.node_no, s.calculated_at, f.failures FROM score s
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.failing) AS failures FROM (
        SELECT bool_and(v.result <> 'valid') OVER (ORDER BY v.verdict_no DESC) AS failing FROM (
            SELECT e.verdict_no, e.result FROM verdict e
            WHERE e.node_no = s.node_no AND e.result NOT IN ('deferred', 'void') ORDER BY e.verdict_no DESC LIMIT 20
        ) v
    ) r
) f
WHERE s.calculated_at > @since;

-- name: OpenAlerts :many
SELECT a.alert_no, a.node_no, n.node_id, n.name, a.kind, a.state, a.severity, a.value, a.threshold, a.detail, a.warning_since,
    a.critical_since, a.started_at, a.fired_at, a.observed_at, a.told_at
FROM alert a JOIN node n USING (node_no) WHERE a.state <> 'resolved';

-- name: InsertAlert :batchone
INSERT INTO alert (node_no, kind, state, severity, value, threshold, detail, warning_since, critical_since, started_at, fired_at,
    observed_at, untold, worst)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $3 = 'firing' THEN $4 ELSE 'warning' END)
RETURNING alert_no;

-- name: MoveAlert :batchexec
-- What is untold stays so unless it is said otherwise.
UPDATE alert SET state = $2, severity = $3, value = $4, threshold = $5, detail = $6, warning_since = $7, critical_since = $8,
    fired_at = $9, observed_at = $10, resolved_at = $11, end_reason = $12, untold = COALESCE(sqlc.narg(untold)::boolean, untold),
    worst = CASE WHEN $2 = 'firing' AND $3 = 'critical' THEN 'critical' ELSE worst END
WHERE alert_no = $1 AND state <> 'resolved';

-- name: DropAlert :batchexec
DELETE FROM alert WHERE alert_no = $1 AND state = 'pending';

-- name: RefreshAlerts :exec
UPDATE alert SET observed_at = u.at, value = u.value, detail = u.detail
FROM (SELECT unnest(@alert_nos::bigint[]) AS no, unnest(@ats::timestamptz[]) AS at, unnest(@values::float8[]) AS value,
             unnest(@details::text[]) AS detail) u
WHERE alert.alert_no = u.no AND alert.state <> 'resolved';

-- name: TakeUntold :many
-- What is silenced stays untold until the silence ends.
SELECT a.alert_no, n.node_id, n.name, COALESCE(p.pool_id, '')::text AS pool_id, a.kind, a.state, a.severity, a.value, a.threshold,
    a.detail, a.started_at, a.fired_at, a.observed_at, a.resolved_at, a.end_reason, a.worst
FROM alert a JOIN node n USING (node_no) LEFT JOIN pool p ON p.pool_no = n.pool_no
WHERE a.untold AND alert_silenced_by(a.node_no, n.pool_no, n.status, a.kind, @at) IS NULL
ORDER BY a.alert_no LIMIT @most FOR UPDATE OF a SKIP LOCKED;

-- name: MarkTold :exec
UPDATE alert SET untold = false, told_at = @at::timestamptz WHERE alert_no = ANY (@alert_nos::bigint[]);

-- name: ForgetAlerts :execrows
DELETE FROM alert WHERE alert_no IN (
    SELECT a.alert_no FROM alert a WHERE a.state = 'resolved' AND a.resolved_at < @before::timestamptz AND NOT a.untold LIMIT @most);

-- name: CountFiring :many
SELECT a.severity, (alert_silenced_by(a.node_no, n.pool_no, n.status, a.kind, @at) IS NOT NULL)::boolean AS silenced, count(*) AS alerts
FROM alert a JOIN node n USING (node_no) WHERE a.state = 'firing'
GROUP BY 1, 2;

-- name: Thresholds :many
SELECT pool_no, node_no, kind, enabled, warning, warning_seconds, critical, critical_seconds, hysteresis FROM alert_threshold
ORDER BY threshold_no;

-- name: ThresholdsFor :many
-- Those that could hold for a node: of the fleet, its pool and itself.
SELECT pool_no, node_no, kind, enabled, warning, warning_seconds, critical, critical_seconds, hysteresis FROM alert_threshold
WHERE (node_no IS NULL OR node_no = sqlc.narg(node_no)) AND (pool_no IS NULL OR pool_no = sqlc.narg(pool_no))
ORDER BY threshold_no;

-- name: SetThreshold :exec
INSERT INTO alert_threshold (pool_no, node_no, kind, enabled, warning, warning_seconds, critical, critical_seconds, hysteresis, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (pool_no, node_no, kind) DO UPDATE SET enabled = excluded.enabled, warning = excluded.warning,
    warning_seconds = excluded.warning_seconds, critical = excluded.critical, critical_seconds = excluded.critical_seconds,
    hysteresis = excluded.hysteresis, updated_at = excluded.updated_at;

-- name: RemoveThreshold :execrows
DELETE FROM alert_threshold WHERE pool_no IS NOT DISTINCT FROM sqlc.narg(pool_no) AND node_no IS NOT DISTINCT FROM sqlc.narg(node_no)
  AND kind = @kind;

-- name: NodeNo :one
SELECT node_no, pool_no FROM node WHERE node_id = $1 AND deleted_at IS NULL FOR SHARE;

-- name: PoolNo :one
SELECT pool_no FROM pool WHERE pool_id = $1 AND deleted_at IS NULL FOR SHARE;

-- name: InsertSilence :one
INSERT INTO alert_silence (pool_no, node_no, kind, starts_at, ends_at, reason, author, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING silence_no;

-- name: LockSilence :one
SELECT silence_no, starts_at, ends_at FROM alert_silence WHERE silence_no = $1 FOR UPDATE;

-- name: EndSilence :exec
UPDATE alert_silence SET ends_at = GREATEST(starts_at, @at::timestamptz) WHERE silence_no = $1;

-- name: Silences :many
SELECT s.silence_no, COALESCE(p.pool_id, '')::text AS pool_id, COALESCE(n.node_id, '')::text AS node_id, COALESCE(s.kind, '')::text AS kind,
    s.starts_at, s.ends_at, s.reason, s.author, s.created_at
FROM alert_silence s LEFT JOIN pool p ON p.pool_no = s.pool_no LEFT JOIN node n ON n.node_no = s.node_no
WHERE (s.ends_at > @at OR NOT @active_only::boolean)
ORDER BY s.silence_no DESC LIMIT @most OFFSET @skip;

-- name: CountSilences :one
SELECT count(*) FROM alert_silence s WHERE (s.ends_at > @at OR NOT @active_only::boolean);
