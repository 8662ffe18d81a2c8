-- name: Beat :one
-- The last beat, read and replaced at once; no row before the first one. The
-- lock makes two processes that beat at the same moment see each other's beat.
WITH last AS (
    SELECT at FROM coordinator_heartbeat WHERE id = 1 FOR UPDATE
), beat AS (
    INSERT INTO coordinator_heartbeat (id, at) VALUES (1, sqlc.arg(now))
    ON CONFLICT (id) DO UPDATE SET at = excluded.at
)
SELECT at FROM last;

-- name: LastBeat :one
SELECT at FROM coordinator_heartbeat WHERE id = 1;

-- name: RecordWindow :one
INSERT INTO fault_window (cause, from_at, to_at) VALUES ($1, $2, $3)
RETURNING window_no;

-- name: ExtendWindow :exec
UPDATE fault_window SET to_at = $2 WHERE window_no = $1;

-- name: Windows :many
SELECT window_no, cause, from_at, to_at FROM fault_window
WHERE to_at > sqlc.arg(since) AND from_at < sqlc.arg(until)
ORDER BY from_at, window_no;
