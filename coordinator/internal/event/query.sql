-- name: Publish :exec
-- In the order of the arrays. The year 1, Go's zero time, stands for now.
INSERT INTO event_outbox (at, kind, node_id, pool_id, body)
SELECT coalesce(nullif(e.at, '0001-01-01 00:00:00Z'), now()), e.kind, e.node_id, e.pool_id, e.body::json
FROM (SELECT unnest(@ats::timestamptz[]) AS at, unnest(@kinds::text[]) AS kind, unnest(@node_ids::text[]) AS node_id,
    unnest(@pool_ids::text[]) AS pool_id, unnest(@bodies::text[]) AS body) e;

-- name: PublishMany :copyfrom
INSERT INTO event_outbox (at, kind, node_id, pool_id, body) VALUES (@at, @kind, @node_id, @pool_id, @body);

-- name: Waiting :one
SELECT EXISTS (SELECT 1 FROM event_outbox);

-- name: TakeTurn :exec
-- Until the transaction ends, nobody else gives numbers. A statement of its
-- own: the next one then sees what its predecessors committed.
SELECT pg_advisory_xact_lock(@class::int, 0);

-- name: Number :execrows
WITH taken AS (
    DELETE FROM event_outbox WHERE out_no IN (SELECT o.out_no FROM event_outbox o ORDER BY o.out_no LIMIT @most)
    RETURNING out_no, at, kind, node_id, pool_id, body
)
INSERT INTO event (at, kind, node_id, pool_id, body)
SELECT at, kind, node_id, pool_id, body FROM taken ORDER BY out_no;

-- name: After :many
-- An empty list of kinds or of nodes selects all.
SELECT * FROM event WHERE event_no > @after
  AND (coalesce(cardinality(@kinds::text[]), 0) = 0 OR kind = ANY(@kinds::text[]))
  AND (coalesce(cardinality(@node_ids::text[]), 0) = 0 OR node_id = ANY(@node_ids::text[]))
ORDER BY event_no LIMIT @most;

-- name: Bounds :one
SELECT coalesce(min(event_no), 0)::bigint AS first, coalesce(max(event_no), 0)::bigint AS last FROM event;

-- name: Trim :execrows
-- Looks at the oldest rows only, so that no index on the time is needed. The
-- newest stays: it tells how far the numbers are.
DELETE FROM event WHERE event_no IN (SELECT e.event_no FROM event e ORDER BY e.event_no LIMIT @most)
  AND (event.at < @before OR event.event_no <= @floor)
  AND event.event_no < (SELECT max(l.event_no) FROM event l);
