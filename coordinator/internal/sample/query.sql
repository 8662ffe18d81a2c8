-- name: RunHead :one
SELECT run_no, last_seq, chain, chain_known FROM node_run WHERE node_no = $1 AND run_id = $2;

-- name: DigestAt :one
SELECT digest FROM sample WHERE node_no = $1 AND at = $2 AND run_no = $3 AND seq = $4;

-- name: InsertRuns :exec
-- Leaves out those of a node with too many runs in the last day by our own clock, or
-- around whose newest sample too many of these end. The second is told by samples,
-- since a backlog of weeks comes at once; but a run's end moves as its node likes.
INSERT INTO node_run (node_no, run_id, last_at, started_at)
SELECT u.node_no, u.run_id, u.last_at, @started_at::timestamptz
FROM (SELECT unnest(@node_nos::integer[]) AS node_no, unnest(@run_ids::uuid[]) AS run_id, unnest(@last_ats::timestamptz[]) AS last_at) u
WHERE (SELECT count(*) < @most_a_day::bigint AND count(*) FILTER (WHERE b.near) < @most_around::bigint
    FROM (SELECT r.last_at BETWEEN u.last_at - @around::interval AND u.last_at + @around::interval AS near FROM node_run r
        WHERE r.node_no = u.node_no AND r.started_at > @started_after::timestamptz LIMIT @most_a_day::bigint) b)
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
INSERT INTO dead_letter (node_no, received_at, channel, kind, reason, size_bytes, payload)
VALUES ((SELECT n.node_no FROM node n WHERE n.node_no = @node_no), @received_at, @channel, @kind, @reason, @size_bytes, @payload);

-- name: TrimLetters :execrows
-- Bytes are those of payload and reason; the rest of a row is small and fixed.
DELETE FROM dead_letter WHERE letter_no IN (
    SELECT s.letter_no FROM (
        SELECT d.letter_no,
               count(*) OVER everybody AS nth,
               sum(octet_length(d.payload) + octet_length(d.reason)) OVER everybody AS bytes,
               count(*) OVER one_node AS node_nth,
               sum(octet_length(d.payload) + octet_length(d.reason)) OVER one_node AS node_bytes
        FROM dead_letter d
        WINDOW everybody AS (ORDER BY d.letter_no DESC ROWS UNBOUNDED PRECEDING),
               one_node AS (PARTITION BY d.node_no ORDER BY d.letter_no DESC ROWS UNBOUNDED PRECEDING)) s
    WHERE s.nth > @count::bigint OR s.bytes > @bytes::bigint
       OR s.node_nth > @node_count::bigint OR s.node_bytes > @node_bytes::bigint);

-- name: ForgetRuns :execrows
-- The newest run of a node stays: the node may still be in it. So does one that
-- the rollups have not seen whole.
DELETE FROM node_run r WHERE r.last_at < @before::timestamptz AND r.marked_seq = r.last_seq
AND r.run_no < (SELECT max(n.run_no) FROM node_run n WHERE n.node_no = r.node_no);

-- name: Latest :one
SELECT at, received_at, run_no, seq, body FROM sample_latest WHERE node_no = $1;

-- name: UpsertLatest :many
-- Returns the nodes whose row is now this one; the others have a newer sample, as rank.supersedes tells.
INSERT INTO sample_latest AS l (node_no, at, received_at, run_no, seq, body)
SELECT unnest(@node_nos::integer[]), unnest(@ats::timestamptz[]), unnest(@received_ats::timestamptz[]),
       unnest(@run_nos::bigint[]), unnest(@seqs::bigint[]), unnest(@bodies::json[])
ON CONFLICT (node_no) DO UPDATE SET at = excluded.at, received_at = excluded.received_at,
    run_no = excluded.run_no, seq = excluded.seq, body = excluded.body
WHERE (l.run_no, l.seq) <= (excluded.run_no, excluded.seq) OR l.run_no > excluded.run_no AND l.at < excluded.at
RETURNING l.node_no;

-- name: ListChanged :many
-- Runs with samples that the rollups do not know of.
SELECT run_no, node_no, marked_seq, last_seq, last_at,
    greatest(CASE WHEN changed_seq = last_seq THEN changed_from END, @not_before::timestamptz)::timestamptz AS from_at
FROM node_run WHERE run_no > @after AND last_seq > marked_seq
ORDER BY run_no LIMIT @most;

-- name: ListHours :many
-- The oldest, the newest and the last sample, in each hour of a node's span, of each of its runs between two. A
-- node's samples are read once, however many of its runs are asked for.
SELECT s.run_no, u.node_no::integer AS node_no, min(s.at)::timestamptz AS from_at, max(s.at)::timestamptz AS last_at, max(s.seq)::bigint AS last_seq
FROM (SELECT unnest(@node_nos::integer[]) AS node_no, unnest(@first_runs::bigint[]) AS first_run, unnest(@last_runs::bigint[]) AS last_run,
    unnest(@from_ats::timestamptz[]) AS from_at, unnest(@last_ats::timestamptz[]) AS last_at) u
JOIN sample s ON s.node_no = u.node_no AND s.at BETWEEN u.from_at AND u.last_at AND s.run_no BETWEEN u.first_run AND u.last_run
GROUP BY s.run_no, u.node_no, date_bin('1 hour', s.at, '1970-01-01 00:00+00');

-- name: MarkRuns :exec
-- A run that is being written to is left for the next time: nobody waits. One
-- that went on meanwhile is marked as far as it was read.
UPDATE node_run r SET marked_seq = u.last_seq
FROM (SELECT unnest(@run_nos::bigint[]) AS run_no, unnest(@last_seqs::bigint[]) AS last_seq) u
WHERE r.run_no = u.run_no AND r.marked_seq < u.last_seq AND r.run_no IN (
    SELECT l.run_no FROM node_run l WHERE l.run_no = ANY (@run_nos::bigint[]) ORDER BY l.run_no FOR NO KEY UPDATE SKIP LOCKED);

-- name: AddDue :exec
INSERT INTO sample_due AS d (seconds, node_no, from_at, to_at)
SELECT unnest(@seconds::integer[]), unnest(@node_nos::integer[]), unnest(@from_ats::timestamptz[]), unnest(@to_ats::timestamptz[])
ON CONFLICT (seconds, node_no, from_at) DO UPDATE SET to_at = excluded.to_at WHERE d.to_at < excluded.to_at;

-- name: TakeDue :many
DELETE FROM sample_due WHERE (seconds, node_no, from_at) IN (
    SELECT d.seconds, d.node_no, d.from_at FROM sample_due d
    WHERE d.seconds = @seconds::integer AND d.from_at < @closed::timestamptz
    ORDER BY d.node_no, d.from_at LIMIT @most FOR UPDATE SKIP LOCKED)
RETURNING node_no, from_at, to_at;

-- name: AnyDueBefore :one
SELECT (EXISTS (SELECT FROM sample_due WHERE from_at < @before::timestamptz)
    OR EXISTS (SELECT FROM node_run WHERE last_seq > marked_seq AND (changed_seq <> last_seq OR changed_from < @before::timestamptz)))::boolean AS waiting;

-- name: CompleteUntil :one
-- Up to when nothing of a node is due at a granularity whose newest bucket ended at over.
SELECT least(@over::timestamptz,
    (SELECT min(d.from_at) FROM sample_due d WHERE d.seconds = @seconds::integer AND d.node_no = @node_no::integer),
    (SELECT min(greatest(CASE WHEN r.changed_seq = r.last_seq THEN r.changed_from END, @not_before::timestamptz))
        FROM node_run r WHERE r.node_no = @node_no::integer AND r.last_seq > r.marked_seq))::timestamptz AS until;

-- name: UpsertUntimely :exec
-- Whatever the row says of when: a clock of ours that was ahead may have written it.
INSERT INTO sample_untimely (node_no, at, received_at)
SELECT unnest(@node_nos::integer[]), unnest(@ats::timestamptz[]), unnest(@received_ats::timestamptz[])
ON CONFLICT (node_no) DO UPDATE SET at = excluded.at, received_at = excluded.received_at;
