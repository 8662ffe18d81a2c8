-- name: NextKeyEpoch :one
SELECT (COALESCE(max(key_epoch), 0) + 1)::integer FROM node_key WHERE node_no = $1;

-- name: RetireKeys :exec
-- At once, also one that a rotation left good for a while.
UPDATE node_key SET retired_at = sqlc.arg(at)::timestamptz, rotated = false WHERE node_no = $1 AND (retired_at IS NULL OR rotated);

-- name: InsertKey :exec
INSERT INTO node_key (node_no, key_epoch, root_box, device_public, created_at) VALUES ($1, $2, $3, $4, $5);

-- name: LiveKey :one
SELECT n.node_no, n.node_id, n.status, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL AND k.retired_at IS NULL
ORDER BY k.key_epoch DESC LIMIT 1;

-- name: LiveKeysOf :many
SELECT DISTINCT ON (n.node_no) n.node_no, n.node_id, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_no = ANY(sqlc.arg(node_nos)::integer[]) AND n.deleted_at IS NULL AND k.retired_at IS NULL
ORDER BY n.node_no, k.key_epoch DESC;

-- name: Key :one
SELECT n.node_id, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_no = $1 AND k.key_epoch = $2;

-- name: KeyEnd :one
-- Asked once the node's row is locked, so that an enrolment that held the lock is seen.
SELECT retired_at, rotated FROM node_key WHERE node_key.node_no = $1 AND key_epoch = $2;

-- name: ValidKeys :many
-- The newest first; a second one while a rotation's overlap lasts.
SELECT n.node_no, n.node_id, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL AND (k.retired_at IS NULL OR k.rotated AND k.retired_at > sqlc.arg(at)::timestamptz)
ORDER BY k.key_epoch DESC LIMIT 2;

-- name: RevokedOnline :many
-- Connected by a key that is no more.
(SELECT node_id, 'deleted'::text AS reason FROM node WHERE deleted_at IS NOT NULL AND online LIMIT 1000)
UNION ALL
(SELECT node_id, 'enrolled again' FROM node WHERE online AND session_no <= cut_session LIMIT 1000)
UNION ALL
(SELECT node_id, 'its key was replaced' FROM node WHERE online AND session_until <= sqlc.arg(at)::timestamptz LIMIT 1000);

-- name: AllLiveKeys :many
SELECT DISTINCT ON (n.node_no) n.node_id, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.deleted_at IS NULL AND k.retired_at IS NULL
ORDER BY n.node_no, k.key_epoch DESC;

-- name: LockSigner :one
SELECT n.node_no, n.signed_change_ms, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL AND k.retired_at IS NULL
ORDER BY k.key_epoch DESC LIMIT 1 FOR NO KEY UPDATE OF n;

-- name: SetSignedChange :exec
UPDATE node SET signed_change_ms = $2 WHERE node_no = $1;

-- name: EndSessionAt :exec
-- Not one of which the broker does not tell with what key it logged in.
UPDATE node SET session_until = $2 WHERE node_no = $1 AND session_epoch > 0;

-- name: DueRotations :many
SELECT n.node_no, n.node_id FROM node_key k JOIN node n USING (node_no)
WHERE k.retired_at IS NULL AND n.online AND n.deleted_at IS NULL
  AND (k.rotate_asked_at IS NOT NULL OR k.created_at <= sqlc.arg(made_before)::timestamptz)
  AND (k.offered_at IS NULL OR k.offered_at <= sqlc.arg(offered_before)::timestamptz)
  AND NOT EXISTS (SELECT FROM node_command c WHERE c.node_no = n.node_no AND c.state = 'open')
ORDER BY k.rotate_asked_at NULLS LAST, k.created_at LIMIT sqlc.arg(most);

-- name: MarkOffered :execrows
UPDATE node_key k SET offered_at = sqlc.arg(at)::timestamptz
WHERE k.node_no = $1 AND k.retired_at IS NULL AND (k.offered_at IS NULL OR k.offered_at <= sqlc.arg(offered_before)::timestamptz)
  AND NOT EXISTS (SELECT FROM node_command c WHERE c.node_no = k.node_no AND c.state = 'open');

-- name: PutOffer :exec
INSERT INTO node_key_offer (node_no, command_id, key_epoch, exchange_box, x25519_public, signature) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (node_no) DO UPDATE SET command_id = excluded.command_id, key_epoch = excluded.key_epoch, exchange_box = excluded.exchange_box,
    x25519_public = excluded.x25519_public, signature = excluded.signature;

-- name: OpenOffer :one
-- Of a command that waits, with the device key that has to sign the answer.
SELECT o.key_epoch, o.exchange_box, o.x25519_public, o.signature, n.node_id, k.device_public
FROM node_key_offer o JOIN node_command c USING (command_id) JOIN node n ON n.node_no = o.node_no
JOIN node_key k ON k.node_no = o.node_no AND k.retired_at IS NULL
WHERE o.command_id = $1 AND o.node_no = $2 AND c.state = 'open'
ORDER BY k.key_epoch DESC LIMIT 1;

-- name: DropOffer :exec
DELETE FROM node_key_offer o WHERE o.node_no = $1;

-- name: DropEndedOffers :exec
DELETE FROM node_key_offer o USING node_command c WHERE c.command_id = o.command_id AND c.state <> 'open';

-- name: ReplaceKey :exec
-- The one before ends when the overlap does; one before that, now.
UPDATE node_key SET rotated = retired_at IS NULL, retired_at = CASE WHEN retired_at IS NULL THEN sqlc.arg(ends)::timestamptz ELSE LEAST(retired_at, sqlc.arg(at)::timestamptz) END
WHERE node_no = $1 AND (retired_at IS NULL OR rotated);

-- name: AskRotation :execrows
UPDATE node_key k SET rotate_asked_at = sqlc.arg(at)::timestamptz, offered_at = NULL FROM node n
WHERE n.node_no = k.node_no AND n.deleted_at IS NULL AND k.retired_at IS NULL
  AND (cardinality(sqlc.arg(node_ids)::text[]) = 0 OR n.node_id = ANY(sqlc.arg(node_ids)::text[]));

-- name: KeyCameBack :execrows
-- Once for a key, and not within a day of a rotation that such a claim brought about:
-- a node that claims a lost key with each message would be given keys without end.
-- Any other rotation, however new, left a key that may be stolen all the same.
UPDATE node_key k SET back_at = sqlc.arg(at)::timestamptz, rotate_asked_at = coalesce(k.rotate_asked_at, sqlc.arg(at)::timestamptz),
    offered_at = CASE WHEN k.rotate_asked_at IS NOT NULL THEN k.offered_at END
WHERE k.node_no = $1 AND k.retired_at IS NULL AND k.back_at IS NULL AND NOT EXISTS (
    SELECT FROM node_key o WHERE o.node_no = k.node_no AND o.key_epoch = k.key_epoch - 1 AND o.rotated AND o.back_at IS NOT NULL
    AND k.created_at > sqlc.arg(at)::timestamptz - interval '1 day');

-- name: RotationState :one
SELECT count(*) AS nodes, count(k.rotate_asked_at) AS asked, coalesce(min(k.created_at), now())::timestamptz AS oldest,
    (SELECT count(*) FROM node_key o WHERE o.rotated AND o.retired_at > sqlc.arg(at)::timestamptz) AS overlapping
FROM node_key k JOIN node n USING (node_no) WHERE k.retired_at IS NULL AND n.deleted_at IS NULL;
