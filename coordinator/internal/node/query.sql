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

-- name: TakeBoardTurn :exec
-- Two devices that show the same board enrol one after the other.
SELECT pg_advisory_xact_lock(hashtextextended(sqlc.arg(serial_hash)::text, 13));

-- name: NodeBySerial :one
SELECT node_no, node_id FROM node WHERE serial_hash = $1 AND serial_hash <> '' AND deleted_at IS NULL AND node_no <> $2 LIMIT 1;

-- name: NameTaken :one
SELECT EXISTS (SELECT FROM node WHERE name = $1 AND deleted_at IS NULL);

-- name: InsertNode :one
INSERT INTO node (node_id, name, status, serial_hash, inventory, payout_address, agent_version, created_at, updated_at)
VALUES ($1, $2, 'starting', $3, $4, $5, $6, sqlc.arg(at), sqlc.arg(at))
RETURNING node_no;

-- name: ReenrolNode :exec
-- A board that tells no serial number leaves the one that the node had.
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4, version = version + 1, proven = false, cut_session = session_no,
    serial_hash = CASE WHEN sqlc.arg(serial_hash)::text = '' THEN serial_hash ELSE sqlc.arg(serial_hash)::text END
WHERE node_no = $1;

-- name: FirstEnrolNode :exec
-- The operator's payout address stands; the device's fills an empty one.
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4, version = version + 1, serial_hash = $5,
    payout_address = CASE WHEN payout_address = '' THEN sqlc.arg(payout_address)::text ELSE payout_address END
WHERE node_no = $1;

-- name: InsertState :exec
INSERT INTO node_state (node_no, status, reason, from_at) VALUES ($1, $2, $3, $4);

-- name: CloseState :one
-- The next interval starts where this one ends; two changes in the same
-- microsecond are kept apart by one.
UPDATE node_state SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond')
WHERE node_no = $1 AND to_at IS NULL
RETURNING to_at::timestamptz;

-- name: LockStatus :one
-- Not FOR UPDATE: that waits for whoever wrote a row that refers to the node, and
-- who does so goes on to the node, which a caller may hold already.
SELECT n.status, n.status_reason, n.proven, n.online, n.deleted_at, n.node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = n.pool_no), '')::text AS pool_id
FROM node n WHERE n.node_no = $1 FOR NO KEY UPDATE;

-- name: UpdateStatus :exec
UPDATE node SET status = $2, status_reason = $3, updated_at = $4, status_until = $5, version = version + 1 WHERE node_no = $1;

-- name: SetProven :exec
UPDATE node SET proven = $2 WHERE node_no = $1;

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

-- name: SetScore :exec
UPDATE node SET poot_score = $2 WHERE node_no = $1;

-- name: SetPool :exec
UPDATE node SET pool_no = $2, updated_at = $3, version = version + 1 WHERE node_no = $1;

-- name: LockBoard :one
SELECT n.serial_hash AS enrolled, coalesce(n.inventory ->> 'serial_hash', '')::text AS told FROM node n WHERE n.node_no = $1 FOR UPDATE;

-- name: SetInventory :exec
UPDATE node SET inventory = $2, agent_version = $3, updated_at = $4 WHERE node_no = $1;

-- name: SetAgent :one
-- An agent that knows a newer configuration or command than this database
-- outlived a restored backup, or a clock that was ahead: what counts here is sent to
-- it under a version above its own.
UPDATE node SET agent_version = $2, boot_id = $3, agent_stopped = $5, command_version = GREATEST(command_version, sqlc.arg(agent_command)::bigint),
    config_session = CASE WHEN sqlc.arg(agent_config)::bigint > config_version THEN NULL ELSE config_session END,
    config_version = CASE WHEN sqlc.arg(agent_config)::bigint > config_version
        THEN GREATEST(sqlc.arg(agent_config)::bigint + 1, sqlc.arg(at_ms)::bigint) ELSE config_version END
WHERE node.node_no = $1 AND session_no = $4
RETURNING (SELECT coalesce(max(k.key_epoch), 0) FROM node_key k WHERE k.node_no = node.node_no)::integer AS key_epoch;

-- name: Connect :one
-- No row: the node was deleted after its login was checked.
UPDATE node SET online = true, session_no = session_no + 1, last_heartbeat = sqlc.arg(at),
    session_epoch = sqlc.arg(key_epoch), session_until = NULL
WHERE node_no = $1 AND deleted_at IS NULL RETURNING session_no, status, status_reason, node_id,
    coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: KeyEnd :one
-- Asked once the node's row is locked, so that an enrolment that held the lock is seen.
SELECT retired_at, rotated FROM node_key WHERE node_key.node_no = $1 AND key_epoch = $2;

-- name: ValidKeys :many
-- The newest first; a second one while a rotation's overlap lasts.
SELECT n.node_no, n.node_id, k.key_epoch, k.root_box, k.device_public
FROM node n JOIN node_key k USING (node_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL AND (k.retired_at IS NULL OR k.rotated AND k.retired_at > sqlc.arg(at)::timestamptz)
ORDER BY k.key_epoch DESC LIMIT 2;

-- name: OpenPresence :exec
INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: Disconnect :one
-- Session 0 is whichever is on record.
UPDATE node SET online = false, last_heartbeat = sqlc.arg(at)
WHERE node_no = $1 AND (session_no = $2 OR $2 = 0) AND online
RETURNING status, status_reason, node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: ClosePresence :exec
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at) WHERE node_no = $1 AND to_at IS NULL;

-- name: AllOffline :many
UPDATE node SET online = false WHERE online
RETURNING status, status_reason, node_id, coalesce((SELECT p.pool_id FROM pool p WHERE p.pool_no = node.pool_no), '')::text AS pool_id;

-- name: CloseAllPresence :execrows
-- Who came after that instant was there all the same: an instant of it stays.
UPDATE node_presence SET to_at = GREATEST(sqlc.arg(at)::timestamptz, from_at + interval '1 microsecond') WHERE to_at IS NULL;

-- name: InsertPending :one
INSERT INTO node (node_id, name, node_type, status, inventory, payout_address, location, configuration, labels,
    creation_key, creation_input, created_at, updated_at)
VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, sqlc.arg(at), sqlc.arg(at))
RETURNING node_no;

-- name: TakeCreationTurn :exec
SELECT pg_advisory_xact_lock(hashtextextended(encode(sqlc.arg(creation_key)::bytea, 'hex'), 10));

-- name: NodeByCreation :one
SELECT node_no, node_id, status, creation_input, deleted_at FROM node WHERE creation_key = $1 FOR UPDATE;

-- name: LockNode :one
SELECT n.node_no, n.node_id, n.name, n.node_type, n.status, n.status_reason, n.status_until, COALESCE(p.pool_id, '') AS pool_id,
    n.payout_address, n.location, n.configuration, n.labels, n.version, n.online, COALESCE(n.inventory ->> 'model', '')::text AS model
FROM node n LEFT JOIN pool p USING (pool_no)
WHERE n.node_id = $1 AND n.deleted_at IS NULL FOR UPDATE OF n;

-- name: LockPools :exec
-- In the order of their numbers, as everywhere: two nodes that change places
-- wait for each other instead of blocking each other.
SELECT FROM pool WHERE pool_id = ANY(sqlc.arg(pool_ids)::text[]) ORDER BY pool_no FOR NO KEY UPDATE;

-- name: NodeNo :one
-- Of a deleted one too.
SELECT node_no FROM node WHERE node_id = $1;

-- name: PoolNo :one
SELECT pool_no FROM pool WHERE pool_id = $1;

-- name: UpdateNode :exec
UPDATE node SET name = $2, node_type = $3, location = $4, configuration = $5, labels = $6,
    updated_at = sqlc.arg(at), version = version + 1
WHERE node_no = $1;

-- name: Payee :one
SELECT payout_address, payout_address_before, payout_address_due, payout_address_changed_at FROM node WHERE node_no = $1;

-- name: SetPayee :exec
UPDATE node SET payout_address = $2, payout_address_before = $3, payout_address_due = $4, payout_address_changed_at = $5,
    version = version + 1 WHERE node_no = $1;

-- name: HasEarned :one
SELECT EXISTS (SELECT FROM account a JOIN node n ON n.node_id = a.owner WHERE n.node_no = $1 AND a.kind IN ('payable', 'held'));

-- name: MoneyMoving :one
SELECT EXISTS (SELECT FROM payout WHERE node_no = $1 AND status IN ('pending', 'processing'));

-- name: MarkDeleted :exec
UPDATE node SET deleted_at = sqlc.arg(at), updated_at = sqlc.arg(at), version = version + 1 WHERE node_no = $1;

-- name: DropTokens :exec
DELETE FROM enrolment_token WHERE node_no = $1 AND used_at IS NULL;

-- name: RevokedOnline :many
-- Connected by a key that is no more.
(SELECT node_id, 'deleted'::text AS reason FROM node WHERE deleted_at IS NOT NULL AND online LIMIT 1000)
UNION ALL
(SELECT node_id, 'enrolled again' FROM node WHERE online AND session_no <= cut_session LIMIT 1000)
UNION ALL
(SELECT node_id, 'its key was replaced' FROM node WHERE online AND session_until <= sqlc.arg(at)::timestamptz LIMIT 1000);

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

-- name: Lifting :many
SELECT node_no FROM node WHERE status_until <= sqlc.arg(at)::timestamptz ORDER BY status_until LIMIT 1000;

-- name: LockLifting :one
SELECT status, agent_stopped FROM node WHERE node_no = $1 AND status_until <= sqlc.arg(at)::timestamptz FOR UPDATE;

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

-- name: NamesTaken :many
SELECT name FROM node WHERE deleted_at IS NULL AND name = ANY(sqlc.arg(names)::text[]) ORDER BY name;

-- name: LowerHeartbeats :exec
UPDATE node_heartbeat SET at = sqlc.arg(now)::timestamptz WHERE at > sqlc.arg(after)::timestamptz;
