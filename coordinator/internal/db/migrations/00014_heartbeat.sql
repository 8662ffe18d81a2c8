-- Indexes for what was still read whole, and when each node was last heard, in
-- one narrow table. Table of package node: node_heartbeat.

-- +goose Up
-- The list of nodes is read in this order. It is not a column of node: the index would make every sample of a node
-- rewrite its wide row and the entries of all its other indexes.
CREATE TABLE node_heartbeat (
    node_no integer PRIMARY KEY REFERENCES node,
    at      timestamptz NOT NULL -- 'epoch': never
);

-- The database writes it, so that it also holds what programs of an earlier
-- release do. A deleted node is not heard of any more.
-- +goose StatementBegin
CREATE FUNCTION node_is_heard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO node_heartbeat VALUES (NEW.node_no, COALESCE(NEW.last_heartbeat, 'epoch'));
    ELSIF NEW.deleted_at IS NOT NULL THEN
        DELETE FROM node_heartbeat WHERE node_no = NEW.node_no;
    ELSE
        UPDATE node_heartbeat SET at = NEW.last_heartbeat WHERE node_no = NEW.node_no AND at < NEW.last_heartbeat;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION samples_are_heard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE node_heartbeat h SET at = s.received_at FROM heard s WHERE h.node_no = s.node_no AND h.at < s.received_at;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER node_made_heard AFTER INSERT ON node FOR EACH ROW EXECUTE FUNCTION node_is_heard();
CREATE TRIGGER node_heard AFTER UPDATE OF last_heartbeat, deleted_at ON node FOR EACH ROW EXECUTE FUNCTION node_is_heard();
CREATE TRIGGER sample_heard AFTER INSERT ON sample_latest
    REFERENCING NEW TABLE AS heard FOR EACH STATEMENT EXECUTE FUNCTION samples_are_heard();
CREATE TRIGGER sample_heard_again AFTER UPDATE ON sample_latest
    REFERENCING NEW TABLE AS heard FOR EACH STATEMENT EXECUTE FUNCTION samples_are_heard();

INSERT INTO node_heartbeat
    SELECT n.node_no, COALESCE(GREATEST(n.last_heartbeat, l.received_at), 'epoch')
    FROM node n LEFT JOIN sample_latest l USING (node_no) WHERE n.deleted_at IS NULL;
CREATE INDEX node_heartbeat_at ON node_heartbeat (at, node_no);

CREATE INDEX enrolment_token_waiting ON enrolment_token (expires_at) WHERE used_at IS NULL;
CREATE INDEX enrolment_token_node ON enrolment_token (node_no) WHERE node_no IS NOT NULL;
CREATE INDEX account_owner ON account (owner);
CREATE INDEX payout_status ON payout (status, payout_no DESC);
CREATE INDEX access_user_by_created ON access_user (created_at);
CREATE INDEX api_key_by_created ON api_key (created_at);

-- +goose Down
DROP INDEX enrolment_token_waiting, enrolment_token_node, account_owner, payout_status, access_user_by_created, api_key_by_created;
DROP TRIGGER sample_heard_again ON sample_latest;
DROP TRIGGER sample_heard ON sample_latest;
DROP TRIGGER node_heard ON node;
DROP TRIGGER node_made_heard ON node;
DROP FUNCTION samples_are_heard, node_is_heard;
DROP TABLE node_heartbeat;
