-- name: InsertToken :exec
INSERT INTO enrolment_token (token_hash, pool_no, node_name, serial_hash, node_no, expires_at, created_at, uses)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: LockTokensNode :exec
-- The node before its tokens, as whoever deletes it or gives it another one.
SELECT FROM node n JOIN enrolment_token t USING (node_no) WHERE t.token_hash = $1 FOR UPDATE OF n;

-- name: LockToken :one
SELECT * FROM enrolment_token WHERE token_hash = $1 FOR UPDATE;

-- name: UseToken :exec
UPDATE enrolment_token SET used_at = $2, node_no = $3, request_hash = $4, response = $5 WHERE token_hash = $1;

-- name: AddBoards :exec
INSERT INTO enrolment_board (token_hash, serial_hash) SELECT sqlc.arg(token_hash)::bytea, unnest(sqlc.arg(serial_hashes)::text[]);

-- name: UseOfBoard :one
-- A board that the token names, and the node that it became by it.
SELECT u.node_no FROM enrolment_board b LEFT JOIN enrolment_use u USING (token_hash, serial_hash)
WHERE b.token_hash = $1 AND b.serial_hash = $2;

-- name: AddUse :exec
INSERT INTO enrolment_use (token_hash, request_hash, node_no, used_at, response, serial_hash) VALUES ($1, $2, $3, $4, $5, $6);

-- name: AnswerOfUse :one
SELECT response FROM enrolment_use WHERE token_hash = $1 AND request_hash = $2;

-- name: LockTokenByID :one
SELECT token_hash, revoked_at FROM enrolment_token WHERE token_id = $1 FOR UPDATE;

-- name: RevokeToken :exec
UPDATE enrolment_token SET revoked_at = sqlc.arg(at)::timestamptz WHERE token_hash = $1;

-- name: ListTokens :many
-- All, or the one of an id.
SELECT t.token_id, coalesce(p.pool_id, '') AS pool_id, t.node_name, t.uses, t.created_at, t.expires_at, t.revoked_at,
    (t.used_at IS NOT NULL)::int + (SELECT count(*) FROM enrolment_use u WHERE u.token_hash = t.token_hash)::int AS used,
    ARRAY(SELECT n.node_id FROM node n WHERE n.node_no = t.node_no
        UNION SELECT n.node_id FROM enrolment_use u JOIN node n USING (node_no) WHERE u.token_hash = t.token_hash ORDER BY 1)::text[] AS node_ids
FROM enrolment_token t LEFT JOIN pool p ON p.pool_no = t.pool_no
WHERE sqlc.arg(token_id)::text IN ('', t.token_id)
ORDER BY t.created_at DESC, t.token_id LIMIT sqlc.arg(at_most) OFFSET sqlc.arg(skip);

-- name: CountTokens :one
SELECT count(*) FROM enrolment_token;

-- name: DeleteExpiredTokens :execrows
DELETE FROM enrolment_token t WHERE t.used_at IS NULL AND t.expires_at < $1
AND NOT EXISTS (SELECT FROM enrolment_use u WHERE u.token_hash = t.token_hash);

-- name: DropTokens :exec
DELETE FROM enrolment_token WHERE node_no = $1 AND used_at IS NULL;
