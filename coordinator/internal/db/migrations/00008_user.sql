-- People who call the API, and what their logins leave. Tables of package
-- access: access_user, login_session, refresh_token, token_signing_key; and the
-- nodes that an API key is bound to.

-- +goose Up
CREATE TABLE access_user (
    user_id       text PRIMARY KEY CHECK (user_id ~ '^user_[a-zA-Z0-9]+$'),
    name          text NOT NULL CHECK (name ~ '^[a-zA-Z0-9_-]{3,100}$'),
    email         text CHECK (length(email) BETWEEN 3 AND 254), -- null: none
    role          text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash text NOT NULL, -- argon2id with its parameters and salt
    failed_count  integer NOT NULL DEFAULT 0 CHECK (failed_count >= 0),
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    last_login_at timestamptz,
    disabled_at   timestamptz -- null: may log in
);

-- Names that differ in case only would be taken for each other.
CREATE UNIQUE INDEX access_user_name ON access_user (lower(name));
CREATE UNIQUE INDEX access_user_email ON access_user (lower(email));

-- A session is one login and every refresh token that followed from it.
CREATE TABLE login_session (
    session_id text PRIMARY KEY CHECK (session_id ~ '^session_[a-zA-Z0-9]+$'),
    user_id    text NOT NULL REFERENCES access_user,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL, -- of its newest refresh token
    ended_at   timestamptz,
    end_reason text CHECK (end_reason IN ('logout', 'reuse', 'user changed')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);

CREATE INDEX login_session_user ON login_session (user_id) WHERE ended_at IS NULL;
CREATE INDEX login_session_expires ON login_session (expires_at);

-- A used token stays until it has expired: when it comes again, somebody has a
-- copy.
CREATE TABLE refresh_token (
    hash       bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id text NOT NULL REFERENCES login_session ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE INDEX refresh_token_session ON refresh_token (session_id);

-- Signing keys made after the first one. The key itself is a sealed secret.
CREATE TABLE token_signing_key (
    secret_name text PRIMARY KEY,
    from_at     timestamptz NOT NULL -- from then on it signs
);

-- Empty: the key is not bound. Ids and not numbers, since a token that is made
-- from the key carries them.
ALTER TABLE api_key ADD COLUMN node_ids text[] NOT NULL DEFAULT '{}' CHECK (cardinality(node_ids) <= 100);

-- +goose Down
ALTER TABLE api_key DROP COLUMN node_ids;
DROP TABLE token_signing_key;
DROP TABLE refresh_token;
DROP TABLE login_session;
DROP TABLE access_user;
