-- name: InsertCommand :one
-- Versions follow the clock, as those of configurations do, so that they rise
-- over a restored backup too: an agent keeps the newest that it saw.
WITH counted AS (UPDATE node SET command_version = GREATEST(command_version + 1, (extract(epoch FROM $4::timestamptz) * 1000)::bigint) WHERE node_no = $2 RETURNING command_version)
INSERT INTO node_command (command_id, node_no, version, kind, issued_at, expires_at)
SELECT $1, $2, counted.command_version, $3, $4, $5 FROM counted
RETURNING version;

-- name: UnsentCommands :many
SELECT c.command_id, c.version, c.kind, c.issued_at, c.expires_at, n.node_id, n.session_no,
    coalesce(o.key_epoch, 0)::integer AS offered_epoch, o.x25519_public, o.signature
FROM node_command c JOIN node n USING (node_no) LEFT JOIN node_key_offer o USING (command_id)
WHERE c.state = 'open' AND c.sent_at IS NULL AND n.online
ORDER BY c.issued_at LIMIT 1000;

-- name: MarkSent :exec
-- To the session that it was meant for: a newer one has not got it.
UPDATE node_command SET sent_at = $2 WHERE command_id = $1 AND state = 'open'
    AND EXISTS (SELECT FROM node n WHERE n.node_no = node_command.node_no AND n.session_no = $3);

-- name: SendAgain :execrows
-- The node reads its commands on a new connection only now.
UPDATE node_command SET sent_at = NULL WHERE node_no = $1 AND state = 'open';

-- name: EndCommand :one
UPDATE node_command SET state = $3, reason = $4, ended_at = GREATEST(sqlc.arg(at)::timestamptz, issued_at)
WHERE command_id = $1 AND node_no = $2 AND state = 'open'
RETURNING kind;

-- name: SupersedeCommands :exec
-- A key whose offer was among them is offered again when what came instead has
-- ended, and not after the time that a node is left alone which refused.
WITH superseded AS (
    UPDATE node_command c SET state = 'superseded', ended_at = GREATEST(sqlc.arg(at)::timestamptz, c.issued_at)
    WHERE c.node_no = $1 AND c.state = 'open' RETURNING c.kind)
UPDATE node_key k SET offered_at = NULL
WHERE k.node_no = $1 AND k.retired_at IS NULL AND EXISTS (SELECT FROM superseded WHERE kind = 'rotate_key');

-- name: LateCommands :many
SELECT command_id, node_no, kind, issued_at, expires_at FROM node_command
WHERE state = 'open' AND expires_at <= sqlc.arg(at)::timestamptz ORDER BY expires_at LIMIT 1000;

-- name: SetAgentStopped :exec
UPDATE node SET agent_stopped = $2 WHERE node_no = $1;

-- name: NewConfig :exec
UPDATE node SET config_version = GREATEST(config_version + 1, sqlc.arg(at_ms)::bigint), config_session = NULL WHERE node_no = $1;

-- name: FirstConfig :exec
-- A node that comes new into a ring that has been told of a version.
UPDATE node SET config_version = sqlc.arg(at_ms)::bigint WHERE node_no = $1 AND config_version = 0
    AND EXISTS (SELECT FROM update_announcement u WHERE u.ring = COALESCE(node.labels ->> 'ring', 'stable'));

-- name: NewConfigOfRing :execrows
UPDATE node SET config_version = GREATEST(config_version + 1, sqlc.arg(at_ms)::bigint), config_session = NULL
WHERE node_no IN (SELECT n.node_no FROM node n WHERE n.deleted_at IS NULL AND COALESCE(n.labels ->> 'ring', 'stable') = sqlc.arg(ring)::text
    ORDER BY n.node_no FOR NO KEY UPDATE);

-- name: DueConfigs :many
SELECT n.node_no, n.node_id, n.session_no, n.config_version, n.configuration,
    COALESCE(u.version, '') AS update_version, COALESCE(u.ring, '') AS ring, COALESCE(u.time_window, '') AS time_window
FROM node n LEFT JOIN update_announcement u ON u.ring = COALESCE(n.labels ->> 'ring', 'stable')
WHERE n.online AND n.deleted_at IS NULL AND n.config_version > 0 AND n.config_session IS DISTINCT FROM n.session_no
ORDER BY n.node_no LIMIT 1000;

-- name: MarkConfigSent :exec
UPDATE node SET config_session = session_no WHERE node_no = $1 AND config_version = $2 AND session_no = $3;

-- name: ConfigVersion :one
SELECT node_id, config_version FROM node WHERE node_no = $1;

-- name: AnswerConfig :exec
UPDATE node SET config_answered = config_version, config_refusal = $3
WHERE node_no = $1 AND config_version = $2 AND config_answered <> config_version;

-- name: Announce :exec
INSERT INTO update_announcement (ring, version, time_window, announced_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (ring) DO UPDATE SET version = excluded.version, time_window = excluded.time_window, announced_at = excluded.announced_at;

-- name: Withdraw :execrows
DELETE FROM update_announcement WHERE ring = $1;

-- name: Announcements :many
SELECT ring, version, time_window, announced_at FROM update_announcement ORDER BY ring;

-- name: DueMoves :many
-- Connected nodes that were last told of other places than these.
SELECT n.node_no, n.node_id FROM node n
WHERE n.online AND n.deleted_at IS NULL AND n.told_places IS DISTINCT FROM sqlc.arg(places)::bytea
  AND (n.telling_at IS NULL OR n.telling_at <= sqlc.arg(told_before)::timestamptz OR n.telling_places IS DISTINCT FROM sqlc.arg(places)::bytea)
  AND NOT EXISTS (SELECT FROM node_command c WHERE c.node_no = n.node_no AND c.state = 'open')
ORDER BY n.node_no LIMIT sqlc.arg(most);

-- name: MarkTelling :execrows
UPDATE node n SET telling_places = sqlc.arg(places)::bytea, telling_at = sqlc.arg(at)::timestamptz
WHERE n.node_no = $1 AND n.deleted_at IS NULL AND NOT EXISTS (SELECT FROM node_command c WHERE c.node_no = n.node_no AND c.state = 'open');

-- name: MarkTold :exec
UPDATE node SET told_places = telling_places WHERE node_no = $1;

-- name: SetTold :exec
UPDATE node SET told_places = $2 WHERE node_no = $1;

-- name: CountUntold :one
SELECT count(*) FROM node n WHERE n.deleted_at IS NULL AND n.status <> 'pending' AND n.told_places IS DISTINCT FROM sqlc.arg(places)::bytea;
