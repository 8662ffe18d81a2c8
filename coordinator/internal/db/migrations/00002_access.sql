-- Who may call the API. Table of package access: api_key.

-- +goose Up
-- A key is 256 random bits, so its SHA-256 cannot be guessed back; the prefix
-- lets a person tell keys apart without knowing them.
CREATE TABLE api_key (
    key_id     text PRIMARY KEY CHECK (key_id ~ '^key_[a-zA-Z0-9]+$'),
    name       text NOT NULL CHECK (name ~ '^[a-zA-Z0-9_-]{3,100}$'),
    role       text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'service')),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    prefix     text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > created_at), -- null: never
    revoked_at timestamptz
);

-- +goose Down
DROP TABLE api_key;
