-- Failed logins by whoever tries, addresses that accounts are at home at, and
-- enrolment tokens that can be listed, revoked and used more than once. Tables
-- of package access: login_attempt, login_place; of package node: enrolment_use.

-- +goose Up

-- Failed logins, counted alike for names that exist and names that do not, so
-- that neither answer nor work tells which. It takes the place of
-- access_user.failed_count and locked_until.
CREATE TABLE login_attempt (
    who          bytea PRIMARY KEY CHECK (length(who) = 32), -- SHA-256 of a name, or of a name and where it is at home
    failed_count integer NOT NULL CHECK (failed_count > 0),
    failed_at    timestamptz NOT NULL,
    locked_until timestamptz
);

CREATE INDEX login_attempt_failed_at ON login_attempt (failed_at);

-- Whence a user has logged in: strangers who fail by the same name elsewhere do
-- not keep the user waiting there.
CREATE TABLE login_place (
    user_id text NOT NULL REFERENCES access_user,
    place   bytea NOT NULL CHECK (length(place) = 32), -- SHA-256 of the address or network
    last_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, place)
);

CREATE INDEX login_place_last_at ON login_place (last_at);

ALTER TABLE enrolment_token
    ADD COLUMN token_id text NOT NULL GENERATED ALWAYS AS ('token_' || encode(substring(token_hash FROM 1 FOR 8), 'hex')) STORED,
    ADD COLUMN uses integer NOT NULL DEFAULT 1 CHECK (uses BETWEEN 1 AND 100),
    ADD COLUMN revoked_at timestamptz;

CREATE UNIQUE INDEX enrolment_token_id ON enrolment_token (token_id);
CREATE INDEX enrolment_token_created_at ON enrolment_token (created_at, token_id);

-- Each use of a token that has several. The one use of all others stands in the
-- token itself.
CREATE TABLE enrolment_use (
    token_hash   bytea NOT NULL REFERENCES enrolment_token ON DELETE CASCADE,
    request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
    node_no      integer NOT NULL REFERENCES node,
    used_at      timestamptz NOT NULL,
    response     json NOT NULL,
    PRIMARY KEY (token_hash, request_hash)
);

-- +goose Down
-- An older program would take a token that was revoked, or used in part, for
-- one that is good.
DELETE FROM enrolment_token WHERE used_at IS NULL AND (revoked_at IS NOT NULL OR uses > 1);
DROP TABLE enrolment_use;
DROP INDEX enrolment_token_created_at;
ALTER TABLE enrolment_token DROP COLUMN token_id, DROP COLUMN uses, DROP COLUMN revoked_at;
DROP TABLE login_place;
DROP TABLE login_attempt;
