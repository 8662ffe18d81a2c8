-- What an agent is to keep to. Tables of package node: node grows,
-- update_announcement.

-- +goose Up
ALTER TABLE node
    ADD COLUMN config_version  bigint NOT NULL DEFAULT 0,  -- rises with all that the configuration message is made of; 0: there is none
    ADD COLUMN config_session  bigint,                     -- that was sent this version; null: none
    ADD COLUMN config_answered bigint NOT NULL DEFAULT 0,  -- version that the agent answered last
    ADD COLUMN config_refusal  text   NOT NULL DEFAULT ''; -- why it refused that one; '': it did not

-- Who is to be sent one: none in a quiet fleet.
CREATE INDEX node_config_due ON node (node_no)
    WHERE online AND deleted_at IS NULL AND config_version > 0 AND config_session IS DISTINCT FROM session_no;

-- The version of the agent that each part of the fleet is told of. A node is in
-- the ring that its label "ring" names, else in "stable".
CREATE TABLE update_announcement (
    ring         text PRIMARY KEY,
    version      text NOT NULL,
    time_window  text NOT NULL, -- HH:MM-HH:MM at the node's place; '': any time
    announced_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE update_announcement;
ALTER TABLE node DROP COLUMN config_version, DROP COLUMN config_session, DROP COLUMN config_answered, DROP COLUMN config_refusal;
