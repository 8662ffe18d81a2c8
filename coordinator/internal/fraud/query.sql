-- name: LockCursor :one
SELECT verdict_no, seconds_at FROM fraud_cursor FOR UPDATE;

-- name: MoveCursor :exec
UPDATE fraud_cursor SET verdict_no = sqlc.arg(verdict_no);

-- name: MoveSeconds :exec
UPDATE fraud_cursor SET seconds_at = sqlc.arg(seconds_at);

-- name: Answers :many
-- Verdicts after one, as the rules see them. later_run is when a run that began
-- after the answer's own stored its first message; 1970 when there is none.
-- unchecked: nothing can be said of its running hash; a run that names no message
-- ten minutes after its first one was stored could have named one.
SELECT v.verdict_no, v.node_no, c.key_epoch, v.challenge_id, v.at, v.result, v.reason, (c.cohort_no IS NOT NULL)::boolean AS cohort,
    coalesce(c.difficulty, 0)::integer AS difficulty, coalesce(c.puzzles, 0)::integer AS puzzles, v.answered_ms, v.response, v.throttle, coalesce(host(network(set_masklen(v.address, CASE family(v.address) WHEN 4 THEN 24 ELSE 64 END))), '')::text AS network,
    coalesce(n.inventory ->> 'model', '')::text AS model,
    coalesce((SELECT min(l.started_at) FROM node_run r JOIN node_run l ON l.node_no = r.node_no AND l.started_at > r.started_at
     WHERE r.node_no = v.node_no AND v.run_id IS NOT NULL AND r.run_id = encode(v.run_id, 'hex')::uuid), 'epoch')::timestamptz AS later_run,
    coalesce(CASE WHEN own.run_no IS NULL THEN v.run_seq > 0 WHEN v.run_seq = 0 THEN own.started_at < v.at - interval '10 minutes' ELSE NOT own.chain_known END, false)::boolean AS unchecked
FROM verdict v JOIN challenge c USING (challenge_id) JOIN node n ON n.node_no = v.node_no
LEFT JOIN node_run own ON own.node_no = v.node_no AND own.run_id = encode(v.run_id, 'hex')::uuid
WHERE v.verdict_no > sqlc.arg(after) AND v.at >= sqlc.arg(since)
ORDER BY v.verdict_no LIMIT sqlc.arg(most);

-- name: SecondAnswers :many
-- Those behind a place in their order, by time and challenge.
SELECT s.node_no, s.challenge_id, s.at, encode(sha256(s.response), 'hex')::text AS sha256
FROM challenge_second_answer s WHERE (s.at, s.challenge_id) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::uuid)
ORDER BY s.at, s.challenge_id LIMIT sqlc.arg(most);

-- name: NewestSecond :one
SELECT coalesce(max(at), 'epoch')::timestamptz FROM challenge_second_answer;

-- name: Memories :many
SELECT node_no, body FROM fraud_memory WHERE node_no = ANY(sqlc.arg(node_nos)::integer[]) ORDER BY node_no FOR UPDATE;

-- name: KeepMemories :exec
INSERT INTO fraud_memory AS m (node_no, body)
SELECT unnest(sqlc.arg(node_nos)::integer[]), unnest(sqlc.arg(bodies)::text[])::jsonb
ON CONFLICT (node_no) DO UPDATE SET body = excluded.body;

-- name: KeepBoots :many
-- Every node of the boots that were seen, those seen earlier too.
WITH seen AS (
    INSERT INTO fraud_boot AS b (boot_id, node_no, first_at, last_at)
    SELECT unnest(sqlc.arg(boots)::text[]), unnest(sqlc.arg(node_nos)::integer[]), unnest(sqlc.arg(firsts)::timestamptz[]), unnest(sqlc.arg(lasts)::timestamptz[])
    ON CONFLICT (boot_id, node_no) DO UPDATE SET last_at = greatest(b.last_at, excluded.last_at)
    RETURNING boot_id, node_no, first_at, last_at
)
SELECT boot_id, node_no, first_at, last_at FROM seen
UNION ALL
SELECT b.boot_id, b.node_no, b.first_at, b.last_at FROM fraud_boot b
WHERE b.boot_id = ANY(sqlc.arg(boots)::text[]) AND (b.boot_id, b.node_no) NOT IN (SELECT s.boot_id, s.node_no FROM seen s);

-- name: Boots :many
SELECT boot_id, array_agg(node_no ORDER BY node_no)::integer[] AS node_nos FROM fraud_boot
WHERE last_at >= sqlc.arg(since) GROUP BY boot_id HAVING count(*) > 1;

-- name: ForgetBoots :exec
DELETE FROM fraud_boot WHERE last_at < sqlc.arg(before);

-- name: InsertFlags :many
-- Flags that were not known yet; of the rules that speak daily only those that
-- nobody dismissed lately.
WITH new AS (
    SELECT unnest(sqlc.arg(node_nos)::integer[]) AS node_no, unnest(sqlc.arg(rules)::text[]) AS rule, unnest(sqlc.arg(versions)::integer[]) AS version,
        unnest(sqlc.arg(layers)::smallint[]) AS layer, unnest(sqlc.arg(severities)::text[]) AS severity, unnest(sqlc.arg(subjects)::text[]) AS subject,
        unnest(sqlc.arg(evidences)::text[])::jsonb AS evidence, unnest(sqlc.arg(ats)::timestamptz[]) AS at
)
INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
SELECT n.node_no, n.rule, n.version, n.layer, n.severity, n.subject, n.evidence, n.at, sqlc.arg(found_at)::timestamptz FROM new n
WHERE NOT (n.rule = ANY(sqlc.arg(daily)::text[]) AND EXISTS (
    SELECT FROM fraud_flag f JOIN fraud_decision d USING (flag_no)
    WHERE f.node_no = n.node_no AND f.rule = n.rule AND f.rule_version = n.version AND d.decision = 'dismissed' AND d.at > sqlc.arg(quiet_since)::timestamptz))
ON CONFLICT (rule, node_no, subject) DO NOTHING
RETURNING flag_no, node_no, rule, subject;

-- name: NodeIDs :many
SELECT n.node_no, n.node_id, coalesce(p.pool_id, '')::text AS pool_id FROM node n LEFT JOIN pool p USING (pool_no)
WHERE n.node_no = ANY(sqlc.arg(node_nos)::integer[]);

-- name: Members :many
SELECT n.node_no, coalesce(n.pool_no, 0)::integer AS pool_no, coalesce(n.inventory ->> 'model', '')::text AS model, n.payout_address,
    coalesce(n.inventory ->> 'serial_hash', '')::text AS told_serial, n.serial_hash, n.created_at, n.payout_address_changed_at, m.body
FROM node n LEFT JOIN fraud_memory m USING (node_no)
WHERE n.deleted_at IS NULL AND n.status <> 'pending' ORDER BY n.node_no;

-- name: Departures :many
-- Nodes that went offline, outside of our own faults; of each the newest, so that
-- nobody makes this long.
SELECT n.node_no, p.to_at, coalesce(m.body ->> 'network', '')::text AS network
FROM node n LEFT JOIN fraud_memory m USING (node_no) CROSS JOIN LATERAL (
    SELECT o.to_at FROM node_presence o
    WHERE o.node_no = n.node_no AND o.to_at >= sqlc.arg(since)::timestamptz AND o.to_at < sqlc.arg(until)::timestamptz
      -- They do not overlap, so that of those that began before only the last ends within.
      AND o.from_at >= coalesce((SELECT max(e.from_at) FROM node_presence e WHERE e.node_no = n.node_no AND e.from_at < sqlc.arg(since)::timestamptz), '-infinity')
      AND NOT EXISTS (SELECT FROM fault_window f WHERE o.to_at BETWEEN f.from_at - interval '10 seconds' AND f.to_at + interval '15 minutes')
    ORDER BY o.from_at DESC LIMIT sqlc.arg(most)
) p
ORDER BY p.to_at;

-- name: Figures :many
-- What nodes told in five minutes each; run and number of the newest sample
-- where a counter fell or leapt, so that few samples are read.
WITH f AS (
    SELECT s.node_no, s.at, s.newest_at, s.network_bytes_in_last, s.network_bytes_out_last, s.memory_used_bytes_avg, s.memory_used_bytes_last, s.cpu_usage_percent_avg,
        coalesce(s.network_bytes_in_last - lag(s.network_bytes_in_last) OVER w, 0) AS more_in,
        coalesce(s.network_bytes_out_last - lag(s.network_bytes_out_last) OVER w, 0) AS more_out
    FROM sample_5m s WHERE s.at >= sqlc.arg(since) AND s.at < sqlc.arg(until)
    WINDOW w AS (PARTITION BY s.node_no ORDER BY s.at)
), odd AS (
    SELECT f.*, (f.more_in < 0 OR f.more_out < 0 OR f.more_in > sqlc.arg(leap)::bigint OR f.more_out > sqlc.arg(leap)::bigint) AS is_odd FROM f
), asked AS (
    SELECT odd.*, (odd.is_odd OR lead(odd.is_odd, 1, false) OVER (PARTITION BY odd.node_no ORDER BY odd.at)) AS ask FROM odd
)
SELECT a.node_no, a.at, a.network_bytes_in_last, a.network_bytes_out_last, a.memory_used_bytes_avg, a.memory_used_bytes_last, a.cpu_usage_percent_avg,
    coalesce(x.run_no, 0)::bigint AS run_no, coalesce(x.seq, 0)::bigint AS seq
FROM asked a LEFT JOIN LATERAL (
    SELECT x.run_no, x.seq FROM sample x WHERE a.ask AND x.node_no = a.node_no AND x.at = a.newest_at ORDER BY x.run_no DESC, x.seq DESC LIMIT 1
) x ON true
ORDER BY a.node_no, a.at;

-- name: Earnings :many
-- What epochs that were closed since gave, where anything was said of how.
SELECT l.node_no, e.ends_at, l.share, l.reasons FROM statement_line l JOIN epoch e USING (epoch_no)
WHERE e.closed_at >= sqlc.arg(since) AND cardinality(l.reasons) > 0
ORDER BY l.node_no, e.ends_at, l.epoch_no;

-- name: Marks :many
-- Open flags that can hold money, of nodes that are not held.
SELECT f.node_no, f.layer, f.severity, f.at FROM fraud_flag f
WHERE f.severity <> 'notice' AND NOT EXISTS (SELECT FROM fraud_decision d WHERE d.flag_no = f.flag_no)
  AND NOT EXISTS (SELECT FROM fraud_hold h WHERE h.node_no = f.node_no AND h.to_at IS NULL)
ORDER BY f.node_no, f.at;

-- name: MarksOf :many
SELECT f.layer, f.severity, f.at FROM fraud_flag f
WHERE f.node_no = $1 AND f.severity <> 'notice' AND NOT EXISTS (SELECT FROM fraud_decision d WHERE d.flag_no = f.flag_no)
ORDER BY f.at;

-- name: OpenHold :one
INSERT INTO fraud_hold (node_no, from_at) VALUES (sqlc.arg(node_no), sqlc.arg(at))
ON CONFLICT (node_no) WHERE to_at IS NULL DO NOTHING
RETURNING hold_no;

-- name: LockHold :one
SELECT hold_no FROM fraud_hold WHERE node_no = $1 AND to_at IS NULL FOR UPDATE;

-- name: EndHold :exec
UPDATE fraud_hold SET to_at = sqlc.arg(at)::timestamptz, outcome = sqlc.arg(outcome)::text WHERE hold_no = sqlc.arg(hold_no);

-- name: Held :many
SELECT node_no FROM fraud_hold WHERE to_at IS NULL AND node_no = ANY(sqlc.arg(node_nos)::integer[]);

-- name: Escaped :many
-- Held nodes that have payable money: it was earned while the hold was made.
SELECT h.node_no FROM fraud_hold h JOIN node n USING (node_no) JOIN account a ON a.owner = n.node_id AND a.kind = 'payable' AND a.asset = 'USDT'
WHERE h.to_at IS NULL AND a.balance > 0 ORDER BY h.node_no;

-- name: Barred :many
-- Whose fraud was confirmed and whom nobody has started since, among some or,
-- where none is named, among all; and what they have.
SELECT DISTINCT n.node_no, n.node_id, (SELECT coalesce(sum(a.balance), 0) FROM account a
    WHERE a.owner = n.node_id AND a.kind IN ('payable', 'held') AND a.asset = 'USDT')::bigint AS has
FROM fraud_decision d JOIN fraud_flag f USING (flag_no) JOIN node n USING (node_no)
WHERE d.decision = 'confirmed' AND (cardinality(sqlc.arg(node_nos)::integer[]) = 0 OR n.node_no = ANY(sqlc.arg(node_nos)))
  AND n.status NOT IN ('starting', 'active')
  AND NOT EXISTS (SELECT FROM node_state s WHERE s.node_no = n.node_no AND s.status IN ('starting', 'active') AND s.from_at > d.at);

-- name: Earned :many
-- Newest first, where the money came from that a node had at a time.
SELECT p.pool_id, l.share FROM statement_line l JOIN epoch e USING (epoch_no) JOIN pool p USING (pool_no)
WHERE l.node_no = $1 AND l.share > 0 AND e.closed_at <= sqlc.arg(at)::timestamptz ORDER BY l.epoch_no DESC;

-- name: LastPool :one
SELECT p.pool_id FROM pool_membership m JOIN pool p USING (pool_no) WHERE m.node_no = $1 ORDER BY m.from_at DESC LIMIT 1;

-- name: Flag :one
SELECT sqlc.embed(f), n.node_id, n.name, coalesce(p.pool_id, '')::text AS pool_id, a.text AS appeal, a.appealed_by, a.at AS appealed_at,
    d.decision, d.reason, d.decided_by, d.at AS decided_at
FROM fraud_flag f JOIN node n USING (node_no) LEFT JOIN pool p USING (pool_no)
LEFT JOIN fraud_appeal a ON a.flag_no = f.flag_no LEFT JOIN fraud_decision d ON d.flag_no = f.flag_no
WHERE f.flag_no = $1;

-- name: Flags :many
SELECT sqlc.embed(f), n.node_id, n.name, coalesce(p.pool_id, '')::text AS pool_id, a.text AS appeal, a.appealed_by, a.at AS appealed_at,
    d.decision, d.reason, d.decided_by, d.at AS decided_at
FROM fraud_flag f JOIN node n USING (node_no) LEFT JOIN pool p USING (pool_no)
LEFT JOIN fraud_appeal a ON a.flag_no = f.flag_no LEFT JOIN fraud_decision d ON d.flag_no = f.flag_no
WHERE (sqlc.arg(node_id)::text = '' OR n.node_id = sqlc.arg(node_id)) AND (sqlc.arg(rule)::text = '' OR f.rule = sqlc.arg(rule))
  AND (sqlc.arg(severity)::text = '' OR f.severity = sqlc.arg(severity))
  AND (sqlc.arg(state)::text = '' OR sqlc.arg(state) = coalesce(d.decision, CASE WHEN a.flag_no IS NULL THEN 'open' ELSE 'appealed' END))
ORDER BY f.flag_no DESC OFFSET sqlc.arg(skip) LIMIT sqlc.arg(most);

-- name: CountFlags :one
SELECT count(*) FROM fraud_flag f JOIN node n USING (node_no)
LEFT JOIN fraud_appeal a ON a.flag_no = f.flag_no LEFT JOIN fraud_decision d ON d.flag_no = f.flag_no
WHERE (sqlc.arg(node_id)::text = '' OR n.node_id = sqlc.arg(node_id)) AND (sqlc.arg(rule)::text = '' OR f.rule = sqlc.arg(rule))
  AND (sqlc.arg(severity)::text = '' OR f.severity = sqlc.arg(severity))
  AND (sqlc.arg(state)::text = '' OR sqlc.arg(state) = coalesce(d.decision, CASE WHEN a.flag_no IS NULL THEN 'open' ELSE 'appealed' END));

-- name: OpenFlags :many
SELECT f.flag_no FROM fraud_flag f WHERE f.node_no = $1 AND NOT EXISTS (SELECT FROM fraud_decision d WHERE d.flag_no = f.flag_no) ORDER BY f.flag_no;

-- name: OpenFlagsOfRule :many
-- Up to one: those that were there when it was the newest.
SELECT f.flag_no FROM fraud_flag f WHERE f.node_no = $1 AND f.rule = $2 AND f.flag_no <= sqlc.arg(newest) AND NOT EXISTS (SELECT FROM fraud_decision d WHERE d.flag_no = f.flag_no) ORDER BY f.flag_no;

-- name: InsertAppeal :execrows
INSERT INTO fraud_appeal (flag_no, text, appealed_by, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: InsertDecision :execrows
-- Under the ledger's lock: the database notes with it which payouts the node has.
INSERT INTO fraud_decision (flag_no, decision, reason, decided_by, at)
SELECT unnest(sqlc.arg(flag_nos)::bigint[]), sqlc.arg(decision)::text, sqlc.arg(reason)::text, sqlc.arg(decided_by)::text,
    sqlc.arg(at)::timestamptz
ON CONFLICT DO NOTHING;

-- name: Subjects :many
SELECT node_no, subject FROM fraud_flag WHERE rule = $1;
