-- name: RunHead :one
SELECT run_no, last_seq, chain, chain_known FROM node_run WHERE node_no = $1 AND run_id = $2;

-- name: DigestAt :one
SELECT digest FROM sample WHERE node_no = $1 AND at = $2 AND run_no = $3 AND seq = $4;

-- name: InsertRuns :exec
INSERT INTO node_run (node_no, run_id, last_at, started_at)
SELECT unnest(@node_nos::integer[]), unnest(@run_ids::uuid[]), unnest(@last_ats::timestamptz[]), @started_at::timestamptz
ON CONFLICT (node_no, run_id) DO NOTHING;

-- name: LockRuns :many
SELECT r.run_no, r.node_no, r.last_seq, r.chain FROM node_run r
WHERE (r.node_no, r.run_id) IN (SELECT unnest(@node_nos::integer[]), unnest(@run_ids::uuid[]))
ORDER BY r.run_no FOR UPDATE;

-- name: DoubtRuns :exec
UPDATE node_run SET chain_known = false WHERE run_no = ANY (@run_nos::bigint[]);

-- name: DoubtNewestRun :exec
UPDATE node_run SET chain_known = false
WHERE run_no = (SELECT max(n.run_no) FROM node_run n WHERE n.node_no = $1);

-- name: InsertLetter :exec
-- A node that does not exist leaves its number empty.
INSERT INTO dead_letter (node_no, received_at, channel, reason, size_bytes, payload)
VALUES ((SELECT n.node_no FROM node n WHERE n.node_no = @node_no), @received_at, @channel, @reason, @size_bytes, @payload);

-- name: TrimLetters :execrows
DELETE FROM dead_letter WHERE letter_no <=
    (SELECT d.letter_no FROM dead_letter d ORDER BY d.letter_no DESC OFFSET @keep::integer LIMIT 1);

-- name: ForgetRuns :execrows
-- The newest run of a node stays: the node may still be in it.
DELETE FROM node_run r WHERE r.last_at < @before::timestamptz
AND r.run_no < (SELECT max(n.run_no) FROM node_run n WHERE n.node_no = r.node_no);

-- name: Latest :one
SELECT at, received_at, body FROM sample_latest WHERE node_no = $1;

-- name: UpsertLatest :many
-- Returns the nodes whose row is now this one; the others have a newer sample.
INSERT INTO sample_latest AS l (node_no, at, received_at, run_no, seq, body)
SELECT unnest(@node_nos::integer[]), unnest(@ats::timestamptz[]), unnest(@received_ats::timestamptz[]),
       unnest(@run_nos::bigint[]), unnest(@seqs::bigint[]), unnest(@bodies::json[])
ON CONFLICT (node_no) DO UPDATE SET at = excluded.at, received_at = excluded.received_at,
    run_no = excluded.run_no, seq = excluded.seq, body = excluded.body
WHERE l.at <= excluded.at
RETURNING l.node_no;
