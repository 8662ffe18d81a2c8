-- name: InsertPool :one
INSERT INTO pool (pool_id, name, description, max_nodes, reward_per_epoch, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, sqlc.arg(at), sqlc.arg(at))
RETURNING pool_no;

-- name: TakePlace :one
-- The row lock makes concurrent joins wait for each other; the table's CHECK
-- refuses one place too many.
UPDATE pool SET node_count = node_count + 1, updated_at = $2 WHERE pool_no = $1 RETURNING pool_id;

-- name: SetReward :execrows
UPDATE pool SET reward_per_epoch = $2, updated_at = $3 WHERE pool_id = $1;

-- name: FreePlace :exec
UPDATE pool SET node_count = node_count - 1, updated_at = $2 WHERE pool_no = $1;

-- name: InsertMembership :exec
INSERT INTO pool_membership (node_no, pool_no, from_at) VALUES ($1, $2, $3);

-- name: CloseMembership :one
UPDATE pool_membership SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at)
WHERE node_no = $1 AND to_at IS NULL
RETURNING pool_no;

-- name: CountPools :one
SELECT count(*) FROM pool
WHERE (sqlc.arg(id)::text = '' OR pool_id = sqlc.arg(id))
  AND position(sqlc.arg(query)::text in lower(name || ' ' || pool_id)) > 0;

-- name: ListPools :many
SELECT p.*, m.online, m.score
FROM pool p
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE n.online)::integer AS online, COALESCE(avg(n.poot_score), 0)::bigint AS score
    FROM node n WHERE n.pool_no = p.pool_no
) m
WHERE (sqlc.arg(id)::text = '' OR p.pool_id = sqlc.arg(id))
  AND position(sqlc.arg(query)::text in lower(p.name || ' ' || p.pool_id)) > 0
ORDER BY p.name
LIMIT sqlc.arg(most) OFFSET sqlc.arg(skip);
