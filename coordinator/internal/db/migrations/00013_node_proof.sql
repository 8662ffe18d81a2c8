-- Table of package node: what a node must have shown before a confirmed start
-- makes it active, and which of its sessions are ended by a new key.

-- +goose Up
ALTER TABLE node
    -- It gave a valid proof since its enrolment or newest key, and no verdict
    -- took it out of work since.
    ADD COLUMN proven      boolean NOT NULL DEFAULT false,
    -- Sessions up to this one logged in with a key that is retired.
    ADD COLUMN cut_session bigint NOT NULL DEFAULT 0;

UPDATE node n SET proven = true
WHERE EXISTS (
        SELECT FROM verdict v JOIN challenge c USING (challenge_id)
        WHERE v.node_no = n.node_no AND v.result = 'valid'
          AND c.key_epoch = (SELECT max(k.key_epoch) FROM node_key k WHERE k.node_no = n.node_no))
  AND NOT EXISTS (
        SELECT FROM score s WHERE s.node_no = n.node_no
          AND jsonb_path_exists(s.factors, '$.counters.standing.* ? (@ == true)'));

CREATE INDEX node_cut ON node (node_no) WHERE online AND session_no <= cut_session;

-- +goose Down
DROP INDEX node_cut;
ALTER TABLE node DROP COLUMN cut_session, DROP COLUMN proven;
-- Names of deleted nodes are free; further back every name is taken for ever.
UPDATE node d SET name = left(d.name, 80) || '-deleted-' || d.node_no
WHERE d.deleted_at IS NOT NULL AND EXISTS (SELECT FROM node o WHERE o.name = d.name AND o.node_no <> d.node_no);
