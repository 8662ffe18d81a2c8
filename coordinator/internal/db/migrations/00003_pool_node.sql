-- Pools and nodes. Tables of package pool: pool, pool_membership.
-- Tables of package node: node, node_key, enrolment_token, node_presence, node_state.
-- node.pool_no and node.poot_score are set by functions of package node.

-- +goose Up
CREATE TABLE pool (
    pool_no          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id          text NOT NULL UNIQUE CHECK (pool_id ~ '^pool_[a-zA-Z0-9_-]+$'),
    name             text NOT NULL UNIQUE CHECK (name ~ '^[a-zA-Z0-9_-]{3,100}$'),
    description      text NOT NULL DEFAULT '',
    max_nodes        integer NOT NULL DEFAULT 100 CHECK (max_nodes BETWEEN 1 AND 100),
    node_count       integer NOT NULL DEFAULT 0 CHECK (node_count BETWEEN 0 AND max_nodes),
    reward_per_epoch bigint NOT NULL DEFAULT 0 CHECK (reward_per_epoch >= 0), -- micro-USDT
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE node (
    node_no        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id        text NOT NULL UNIQUE CHECK (node_id ~ '^node_[a-zA-Z0-9_-]+$'),
    name           text NOT NULL UNIQUE CHECK (name ~ '^[a-zA-Z0-9_-]{3,100}$'),
    node_type      text NOT NULL DEFAULT 'worker' CHECK (node_type IN ('worker', 'validator', 'storage', 'compute')),
    status         text NOT NULL CHECK (status IN
        ('pending', 'starting', 'active', 'stopping', 'inactive', 'maintenance', 'suspended', 'error')),
    status_reason  text NOT NULL DEFAULT '',
    pool_no        integer REFERENCES pool,
    serial_hash    text NOT NULL DEFAULT '',
    inventory      jsonb NOT NULL DEFAULT '{}',
    payout_address text NOT NULL DEFAULT '',
    poot_score     bigint NOT NULL DEFAULT 0 CHECK (poot_score BETWEEN 0 AND 1000000000), -- 1e9 = 100
    -- The live MQTT session. session_no rises with every connection of the node.
    online         boolean NOT NULL DEFAULT false,
    session_no     bigint NOT NULL DEFAULT 0,
    agent_version  text NOT NULL DEFAULT '',
    boot_id        text NOT NULL DEFAULT '',
    last_heartbeat timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX node_pool ON node (pool_no);

-- Root secrets, sealed; one row a key epoch.
CREATE TABLE node_key (
    node_no       integer NOT NULL REFERENCES node,
    key_epoch     integer NOT NULL CHECK (key_epoch >= 1),
    root_box      bytea NOT NULL,
    device_public bytea NOT NULL CHECK (length(device_public) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    retired_at    timestamptz,
    PRIMARY KEY (node_no, key_epoch)
);

-- One-time enrolment tokens. First use binds a token to a device key; the same
-- request again gets the stored response.
CREATE TABLE enrolment_token (
    token_hash   bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    pool_no      integer REFERENCES pool,
    node_name    text NOT NULL DEFAULT '',
    serial_hash  text NOT NULL DEFAULT '',
    expires_at   timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    used_at      timestamptz,
    node_no      integer REFERENCES node,
    request_hash bytea,
    response     json,
    CHECK ((used_at IS NULL) = (request_hash IS NULL) AND (used_at IS NULL) = (response IS NULL))
);

-- When a node was connected. At most one open interval a node.
CREATE TABLE node_presence (
    node_no integer NOT NULL REFERENCES node,
    from_at timestamptz NOT NULL,
    to_at   timestamptz CHECK (to_at >= from_at),
    PRIMARY KEY (node_no, from_at)
);
CREATE UNIQUE INDEX node_presence_open ON node_presence (node_no) WHERE to_at IS NULL;

-- Which status a node had when. Exactly one open interval a node.
CREATE TABLE node_state (
    node_no integer NOT NULL REFERENCES node,
    status  text NOT NULL,
    reason  text NOT NULL DEFAULT '',
    from_at timestamptz NOT NULL,
    to_at   timestamptz CHECK (to_at >= from_at),
    PRIMARY KEY (node_no, from_at)
);
CREATE UNIQUE INDEX node_state_open ON node_state (node_no) WHERE to_at IS NULL;

-- Which pool a node was in when. At most one open interval a node.
CREATE TABLE pool_membership (
    node_no integer NOT NULL REFERENCES node,
    pool_no integer NOT NULL REFERENCES pool,
    from_at timestamptz NOT NULL,
    to_at   timestamptz CHECK (to_at >= from_at),
    PRIMARY KEY (node_no, from_at)
);
CREATE UNIQUE INDEX pool_membership_open ON pool_membership (node_no) WHERE to_at IS NULL;
CREATE INDEX pool_membership_pool ON pool_membership (pool_no, from_at);

-- +goose Down
DROP TABLE pool_membership, node_state, node_presence, enrolment_token, node_key, node, pool;
