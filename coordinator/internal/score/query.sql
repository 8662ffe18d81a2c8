-- name: InsertMissing :exec
INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, score, confidence, factors, rule_version, calculated_at)
VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6, $7, $8)
ON CONFLICT (node_no) DO NOTHING;

-- name: Lock :one
SELECT * FROM score WHERE node_no = $1 FOR UPDATE;

-- name: ChangeOf :one
-- A verdict that was counted already.
SELECT * FROM score_change WHERE verdict_no = $1;

-- name: ChangeBefore :one
SELECT * FROM score_change WHERE node_no = $1 AND change_no < $2 ORDER BY change_no DESC LIMIT 1;

-- name: FirstChange :one
SELECT at FROM score_change WHERE node_no = $1 ORDER BY at LIMIT 1;

-- name: Tally :one
-- What is counted up of a node, if anything, whether it is counted with all
-- fault windows that are known by now, and until when faults are on record.
SELECT r.last AS fault_revision, t.through, t.presence_from, t.presence_to, t.state_from, t.state_to, t.expected_us, t.online_us,
    EXISTS (SELECT FROM fault_window f WHERE f.revision > t.fault_revision AND f.from_at < t.through) AS revised, h.at AS last_beat
FROM fault_revision r LEFT JOIN availability_tally t ON t.node_no = sqlc.arg(node_no) LEFT JOIN coordinator_heartbeat h ON h.id = 1;

-- name: KeepTally :exec
INSERT INTO availability_tally (node_no, through, fault_revision, presence_from, presence_to, state_from, state_to, expected_us, online_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (node_no) DO UPDATE SET through = excluded.through, fault_revision = excluded.fault_revision,
    presence_from = excluded.presence_from, presence_to = excluded.presence_to, state_from = excluded.state_from, state_to = excluded.state_to,
    expected_us = excluded.expected_us, online_us = excluded.online_us;

-- name: Record :many
-- What availability follows from, since an instant. A node's intervals of one
-- kind do not overlap, so that the last one before the instant is the only early
-- one that can reach over it.
SELECT 'presence' AS kind, false AS expected, p.from_at, p.to_at FROM node_presence p
WHERE p.node_no = sqlc.arg(node_no) AND p.from_at < sqlc.arg(until)
  AND p.from_at >= coalesce((SELECT max(e.from_at) FROM node_presence e WHERE e.node_no = sqlc.arg(node_no) AND e.from_at < sqlc.arg(since)), '-infinity')
UNION ALL
SELECT 'state', s.status IN ('active', 'suspended'), s.from_at, s.to_at FROM node_state s
WHERE s.node_no = sqlc.arg(node_no) AND s.from_at < sqlc.arg(until)
  AND s.from_at >= coalesce((SELECT max(e.from_at) FROM node_state e WHERE e.node_no = sqlc.arg(node_no) AND e.from_at < sqlc.arg(since)), '-infinity')
UNION ALL
SELECT 'fault', false, f.from_at, f.to_at FROM fault_window f WHERE f.to_at > sqlc.arg(since) AND f.from_at < sqlc.arg(until)
ORDER BY from_at;

-- name: FaultOver :one
-- Begin of a fault window that begins before an instant and ends at or after
-- another: the first of them.
SELECT from_at FROM fault_window WHERE from_at < sqlc.arg(begun) AND to_at >= sqlc.arg(ending) ORDER BY from_at LIMIT 1;

-- name: Update :exec
UPDATE score SET reputation_a = $2, reputation_b = $3, timely_a = $4, timely_b = $5, verdicts = $6, verdict_no = $7,
    score = $8, confidence = $9, factors = $10, rule_version = $11, vetted_at = $12, calculated_at = $13
WHERE node_no = $1;

-- name: InsertChange :exec
INSERT INTO score_change (node_no, verdict_no, at, before, after, factors, reason) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: NodeIDs :one
SELECT n.node_id, coalesce(p.pool_id, '')::text AS pool_id FROM node n LEFT JOIN pool p USING (pool_no) WHERE n.node_no = $1;

-- name: AsOf :many
SELECT n.node_no::integer AS node_no, c.after, c.factors, s.vetted_at
FROM unnest(sqlc.arg(node_nos)::integer[]) AS n(node_no)
JOIN score s ON s.node_no = n.node_no
CROSS JOIN LATERAL (
    SELECT e.after, e.factors FROM score_change e
    WHERE e.node_no = n.node_no AND e.at <= sqlc.arg(at)
    ORDER BY e.at DESC, e.change_no DESC LIMIT 1
) c;

-- name: TrailsSince :many
-- What was counted of each node after the change that a first instant saw last,
-- up to the one that a second instant saw last.
SELECT n.node_no::integer AS node_no, c.verdict_no, c.factors, v.result, v.at, v.counted, v.prompt, v.telemetry
FROM unnest(sqlc.arg(node_nos)::integer[]) AS n(node_no)
CROSS JOIN LATERAL (
    SELECT e.change_no FROM score_change e WHERE e.node_no = n.node_no AND e.at <= sqlc.arg(at) ORDER BY e.at DESC, e.change_no DESC LIMIT 1
) last
JOIN score_change c ON c.node_no = n.node_no AND c.change_no <= last.change_no
    AND c.change_no > coalesce((SELECT e.change_no FROM score_change e WHERE e.node_no = n.node_no AND e.at <= sqlc.arg(since)
        ORDER BY e.at DESC, e.change_no DESC LIMIT 1), 0)
JOIN verdict v ON v.verdict_no = c.verdict_no
ORDER BY c.change_no;

-- name: Get :one
SELECT sqlc.embed(s), v.result, v.reason, v.at, coalesce(encode(sha256(v.response), 'hex'), '')::text AS output_hash FROM score s
JOIN verdict v ON v.verdict_no = s.verdict_no
WHERE s.node_no = $1;

-- name: OfNode :one
SELECT sqlc.embed(s), v.result, v.reason, v.at, coalesce(encode(sha256(v.response), 'hex'), '')::text AS output_hash FROM node n
JOIN score s ON s.node_no = n.node_no
JOIN verdict v ON v.verdict_no = s.verdict_no
WHERE n.node_id = $1 AND n.deleted_at IS NULL;

-- name: History :many
SELECT v.verdict_no, v.challenge_id, v.result, v.reason, v.at, v.rule_version, v.answered_ms, c.before, c.after
FROM verdict v JOIN score_change c ON c.verdict_no = v.verdict_no
WHERE v.node_no = $1 AND v.verdict_no < sqlc.arg(before_verdict)
ORDER BY v.verdict_no DESC LIMIT sqlc.arg(most);

-- name: Outcomes :many
-- How often each result came after how long: whole hours as they are counted up,
-- what is before and behind them verdict by verdict.
SELECT o.result, o.answered_ms, sum(o.verdicts)::bigint AS verdicts FROM (
    SELECT h.result, h.answered_ms, h.verdicts FROM verdict_hour h
    WHERE h.hour >= sqlc.arg(hours_since)::timestamptz AND h.hour < sqlc.arg(hours_until)::timestamptz
    UNION ALL
    SELECT v.result, coalesce(v.answered_ms, -1), count(*) FROM verdict v
    WHERE v.at >= sqlc.arg(since)::timestamptz AND v.at < sqlc.arg(hours_since)::timestamptz GROUP BY 1, 2
    UNION ALL
    SELECT v.result, coalesce(v.answered_ms, -1), count(*) FROM verdict v
    WHERE v.at >= sqlc.arg(hours_until)::timestamptz AND v.at < sqlc.arg(until)::timestamptz GROUP BY 1, 2
) o GROUP BY 1, 2 ORDER BY 2, 1;

-- name: CountJudgedSince :one
-- A score is calculated with each verdict of its node.
SELECT count(*) FROM score WHERE calculated_at >= sqlc.arg(since);

-- name: HoursThrough :one
SELECT through FROM verdict_hour_through;

-- name: LockHours :one
-- Until when verdicts are counted up, if any are; the hour of the first one; and
-- when the newest was that is not of the future.
SELECT t.through,
    coalesce(date_trunc('hour', (SELECT min(v.at) FROM verdict v)), sqlc.arg(now))::timestamptz AS first,
    least((SELECT max(v.at) FROM verdict v WHERE v.at <= sqlc.arg(now)), sqlc.arg(now))::timestamptz AS newest
FROM verdict_hour_through t FOR UPDATE;

-- name: ForgetHours :exec
DELETE FROM verdict_hour WHERE hour >= sqlc.arg(since)::timestamptz;

-- name: CountHour :exec
INSERT INTO verdict_hour (hour, result, answered_ms, verdicts)
SELECT sqlc.arg(hour)::timestamptz, v.result, coalesce(v.answered_ms, -1), count(*) FROM verdict v
WHERE v.at >= sqlc.arg(hour)::timestamptz AND v.at < sqlc.arg(hour)::timestamptz + interval '1 hour' GROUP BY 2, 3;

-- name: MoveHours :exec
UPDATE verdict_hour_through SET through = sqlc.arg(through)::timestamptz;

-- name: StandingOfAll :one
SELECT count(*) AS nodes, COALESCE(avg(s.score), 0)::bigint AS mean, COALESCE(min(s.score), 0)::bigint AS lowest,
    COALESCE(max(s.score), 0)::bigint AS highest,
    count(*) FILTER (WHERE n.status = 'suspended' AND n.status_reason LIKE 'score:%') AS suspended,
    count(*) FILTER (WHERE n.status = 'suspended' AND n.status_reason LIKE 'disqualified:%') AS disqualified
FROM score s JOIN node n USING (node_no) WHERE n.deleted_at IS NULL AND s.verdicts > 0;

-- name: Leaders :many
-- The page is read by the index on nodes by score, and what else is shown for it alone.
SELECT n.node_id, n.name, n.status, COALESCE(p.pool_id, '')::text AS pool_id, n.poot_score AS score,
    COALESCE(s.confidence, 0)::bigint AS confidence, COALESCE(s.verdicts, 0)::bigint AS verdicts
FROM (
    SELECT * FROM node WHERE deleted_at IS NULL
      AND (sqlc.arg(pool_id)::text = '' OR pool_no = (SELECT f.pool_no FROM pool f WHERE f.pool_id = sqlc.arg(pool_id)::text))
    ORDER BY poot_score DESC, node_no DESC LIMIT sqlc.arg(most) OFFSET sqlc.arg(skip)
) n LEFT JOIN LATERAL (SELECT c.confidence, c.verdicts FROM score c WHERE c.node_no = n.node_no LIMIT 1) s ON true
LEFT JOIN LATERAL (SELECT o.pool_id FROM pool o WHERE o.pool_no = n.pool_no LIMIT 1) p ON true
ORDER BY n.poot_score DESC, n.node_no DESC;

-- name: LastChanges :many
-- The newest change of a node and the one before.
SELECT c.at, c.before, c.after, c.factors, c.reason FROM score_change c
WHERE c.node_no = $1 ORDER BY c.change_no DESC LIMIT 2;
