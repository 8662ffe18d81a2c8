-- name: Due :many
-- Online nodes whose moment has come, or of whom a proof is demanded, and who have
-- no open challenge. A node suspended by its score goes on being challenged: that
-- is how it comes back.
SELECT n.node_no, n.node_id, n.session_no, (s.demanded_at IS NOT NULL)::boolean AS demanded, COALESCE(CASE WHEN s.tuned_model = COALESCE(n.inventory ->> 'model', '') THEN s.tuned_bits END, 0)::integer AS tuned_bits, COALESCE(n.inventory ->> 'model', '')::text AS model,
    COALESCE((n.configuration #>> '{challenge,difficulty}')::integer, -1)::integer AS node_bits, COALESCE(p.challenge_difficulty, -1)::integer AS pool_bits
FROM node n LEFT JOIN challenge_schedule s USING (node_no) LEFT JOIN pool p USING (pool_no)
WHERE n.online
  AND (n.status = 'starting'
       OR ((sqlc.arg(all_states)::boolean OR s.demanded_at IS NOT NULL) AND (n.status = 'active' OR (n.status = 'suspended' AND n.status_reason LIKE 'score:%'))))
  AND (COALESCE(s.next_at, 'epoch') <= sqlc.arg(at)::timestamptz OR s.demanded_at IS NOT NULL
       -- One that began to start while it was connected does not wait for a
       -- moment that was drawn before; one that has just connected does.
       OR n.status = 'starting' AND s.next_at > sqlc.arg(settled)::timestamptz AND
           (SELECT b.from_at FROM node_state b WHERE b.node_no = n.node_no AND b.to_at IS NULL) > COALESCE((
               SELECT c.issued_at FROM verdict v JOIN challenge c USING (challenge_id)
               WHERE v.node_no = n.node_no ORDER BY v.verdict_no DESC LIMIT 1), 'epoch'))
  AND NOT EXISTS (SELECT FROM challenge c WHERE c.node_no = n.node_no AND c.state = 'open')
  -- One that was told to start does not answer before it does.
  AND NOT EXISTS (SELECT FROM node_command m WHERE m.node_no = n.node_no AND m.state = 'open' AND m.kind IN ('start', 'stop'))
ORDER BY s.demanded_at IS NULL, s.next_at NULLS FIRST
LIMIT sqlc.arg(most);

-- name: CountRoutine :one
-- How many nodes cohorts are drawn from.
SELECT count(*) FROM node n
WHERE n.online AND (n.status = 'active' OR (n.status = 'suspended' AND n.status_reason LIKE 'score:%'));

-- name: DrawCohort :many
-- At random from all pools; first of all who owes a cohort, and who is suspected.
SELECT n.node_no, n.node_id, n.session_no, false AS demanded, COALESCE(CASE WHEN s.tuned_model = COALESCE(n.inventory ->> 'model', '') THEN s.tuned_bits END, 0)::integer AS tuned_bits, COALESCE(n.inventory ->> 'model', '')::text AS model,
    COALESCE((n.configuration #>> '{challenge,difficulty}')::integer, -1)::integer AS node_bits, COALESCE(p.challenge_difficulty, -1)::integer AS pool_bits
FROM node n LEFT JOIN challenge_schedule s USING (node_no) LEFT JOIN pool p USING (pool_no)
WHERE n.online AND (n.status = 'active' OR (n.status = 'suspended' AND n.status_reason LIKE 'score:%'))
  AND NOT EXISTS (SELECT FROM challenge c WHERE c.node_no = n.node_no AND c.state = 'open')
  AND NOT EXISTS (SELECT FROM node_command m WHERE m.node_no = n.node_no AND m.state = 'open' AND m.kind IN ('start', 'stop'))
ORDER BY s.cohort_owed IS TRUE OR (n.node_no = ANY(sqlc.arg(suspects)::integer[])) IS TRUE DESC, random()
LIMIT sqlc.arg(most);

-- name: InsertCohort :one
INSERT INTO challenge_cohort (at, nodes) VALUES ($1, $2) RETURNING cohort_no;

-- name: OweCohort :exec
-- Who did not answer a cohort in time is in the next one.
INSERT INTO challenge_schedule (node_no, next_at, cohort_owed)
SELECT c.node_no, sqlc.arg(next_at), true FROM challenge c WHERE c.challenge_id = $1 AND c.cohort_no IS NOT NULL
ON CONFLICT (node_no) DO UPDATE SET cohort_owed = true;

-- name: SetNext :exec
INSERT INTO challenge_schedule (node_no, next_at) VALUES ($1, $2)
ON CONFLICT (node_no) DO UPDATE SET next_at = excluded.next_at;

-- name: RenewPast :exec
-- A moment that passed while the node was away is drawn anew; one still to
-- come stays. So does one that came while it was there: whoever connects anew
-- more often than we look would never be asked.
INSERT INTO challenge_schedule AS s (node_no, next_at) VALUES ($1, sqlc.arg(next_at))
ON CONFLICT (node_no) DO UPDATE SET next_at = excluded.next_at
WHERE s.next_at <= sqlc.arg(at)::timestamptz AND NOT COALESCE((
    SELECT p.to_at IS NULL OR p.to_at > s.next_at FROM node_presence p WHERE p.node_no = s.node_no AND p.from_at <= s.next_at ORDER BY p.from_at DESC LIMIT 1), false);

-- name: Find :one
SELECT c.*, v.result, v.reason, v.at AS judged_at, v.response, COALESCE(n.inventory ->> 'model', '')::text AS model,
    h.at AS heard_at, -- newest sample, or the connection when that is later
    COALESCE(s.tuned_model, '')::text AS tuned_model, COALESCE(s.tuned_bits, 0)::integer AS tuned_bits,
    COALESCE(s.tuned_ms, 0)::bigint AS tuned_ms, COALESCE(s.tuned_seen, 0)::integer AS tuned_seen,
    COALESCE((n.configuration #>> '{challenge,difficulty}')::integer, -1)::integer AS node_bits, COALESCE(p.challenge_difficulty, -1)::integer AS pool_bits
FROM challenge c JOIN node n USING (node_no) LEFT JOIN pool p USING (pool_no) LEFT JOIN challenge_schedule s USING (node_no) LEFT JOIN node_heartbeat h USING (node_no) LEFT JOIN verdict v USING (challenge_id)
WHERE c.challenge_id = $1 AND c.node_no = $2;

-- name: Ending :many
-- Open challenges whose validity ended, or that are withdrawn: the node was
-- told to stop, set aside or given another key, so nobody is to answer.
SELECT c.challenge_id, c.node_no, c.issued_at, c.expires_at, c.counted, w.withdrawn::boolean AS withdrawn
FROM challenge c CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM node_state s WHERE s.node_no = c.node_no AND s.from_at >= c.issued_at AND s.from_at < c.expires_at
          AND (s.status IN ('stopping', 'inactive', 'maintenance') OR s.status = 'suspended' AND s.reason LIKE 'operator:%')
    ) OR EXISTS (
        -- Not one that a rotation replaced: it is good until the overlap ends.
        SELECT FROM node_key k WHERE k.node_no = c.node_no AND k.key_epoch = c.key_epoch AND k.retired_at < c.expires_at AND NOT (k.rotated AND k.retired_at > sqlc.arg(at)::timestamptz)
    ) AS withdrawn
) w
WHERE c.state = 'open' AND (c.expires_at < sqlc.arg(at)::timestamptz OR w.withdrawn)
ORDER BY c.expires_at LIMIT sqlc.arg(most);

-- name: Tune :exec
UPDATE challenge_schedule SET tuned_model = $2, tuned_bits = $3, tuned_ms = $4, tuned_seen = $5 WHERE node_no = $1;

-- name: CountDeferred :one
SELECT count(*) FROM verdict WHERE node_no = $1 AND result = 'deferred' AND at > sqlc.arg(since)::timestamptz;

-- name: Close :execrows
UPDATE challenge SET state = 'judged' WHERE challenge_id = $1 AND state = 'open';

-- name: InsertVerdict :one
INSERT INTO verdict (challenge_id, node_no, at, result, reason, rule_version, answered_ms, response,
    address, boot_id, boot_time_ms, run_id, run_seq, throttle, counted, prompt, telemetry)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
RETURNING verdict_no;

-- name: InsertSecondAnswer :exec
INSERT INTO challenge_second_answer (challenge_id, node_no, at, response) VALUES ($1, $2, $3, $4)
ON CONFLICT (challenge_id) DO NOTHING;

-- name: Demand :exec
INSERT INTO challenge_schedule (node_no, next_at, demanded_at) VALUES ($1, $2, sqlc.arg(at)::timestamptz)
ON CONFLICT (node_no) DO UPDATE SET demanded_at = excluded.demanded_at;

-- name: NodeIDs :one
SELECT n.node_id, coalesce(p.pool_id, '')::text AS pool_id FROM node n LEFT JOIN pool p USING (pool_no) WHERE n.node_no = $1;

-- name: Demandable :one
SELECT n.node_no, n.status, n.online,
    (n.status IN ('starting', 'active') OR n.status = 'suspended' AND n.status_reason LIKE 'score:%')::boolean AS challenged,
    EXISTS (SELECT FROM challenge c WHERE c.node_no = n.node_no AND c.state = 'open') AS open,
    COALESCE((SELECT max(v.verdict_no) FROM verdict v WHERE v.node_no = n.node_no), 0)::bigint AS last_verdict
FROM node n WHERE n.node_id = $1 AND n.deleted_at IS NULL;

-- name: JudgedSince :one
SELECT EXISTS (SELECT FROM verdict WHERE node_no = $1 AND verdict_no > $2);

-- name: Shown :many
SELECT n.node_id, c.*, v.result, v.reason, v.at AS judged_at, v.response
FROM challenge c JOIN node n USING (node_no) LEFT JOIN verdict v USING (challenge_id)
WHERE c.challenge_id = ANY(sqlc.arg(challenge_ids)::uuid[]) AND n.deleted_at IS NULL;

-- name: Attempt :execrows
UPDATE challenge SET attempts = attempts + 1 WHERE challenge_id = $1 AND attempts < sqlc.arg(most);
