-- +goose Up

-- Secrets of the installation (keys, signing material), sealed with the master
-- key that lives outside the database. package seal
CREATE TABLE sealed_secret (
    name    text PRIMARY KEY,
    box     bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);

-- The one row says when a coordinator was last known to work; a gap becomes a
-- fault window. package outage
CREATE TABLE coordinator_heartbeat (
    id smallint PRIMARY KEY CHECK (id = 1),
    at timestamptz NOT NULL
);

-- Time in which our own side was down and that counts against no node.
-- Windows may overlap: two causes can hold at once. package outage
CREATE TABLE fault_window (
    window_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause     text NOT NULL CHECK (cause IN ('coordinator', 'database', 'broker')),
    from_at   timestamptz NOT NULL,
    to_at     timestamptz NOT NULL,
    CHECK (to_at > from_at)
);
CREATE INDEX fault_window_by_time ON fault_window (to_at, from_at);

-- +goose Down
DROP TABLE fault_window;
DROP TABLE coordinator_heartbeat;
DROP TABLE sealed_secret;
