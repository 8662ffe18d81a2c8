-- Tables of package alert: alert, alert_threshold, alert_silence.
-- Tables of package webhook: webhook, webhook_delivery.
-- Table of package access: mqtt_grant.

-- +goose Up
-- From when on a value is worth a warning or critical. Of node, pool and fleet
-- the nearest that speaks of a kind holds for it; both numbers null: the fleet.
CREATE TABLE alert_threshold (
    threshold_no     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_no          integer REFERENCES pool,
    node_no          integer REFERENCES node,
    kind             text NOT NULL,
    enabled          boolean NOT NULL,
    warning          double precision, -- null: no warning
    warning_seconds  integer NOT NULL DEFAULT 0 CHECK (warning_seconds >= 0),
    critical         double precision,
    critical_seconds integer NOT NULL DEFAULT 0 CHECK (critical_seconds >= 0),
    hysteresis       double precision NOT NULL DEFAULT 0 CHECK (hysteresis >= 0),
    updated_at       timestamptz NOT NULL,
    CHECK (pool_no IS NULL OR node_no IS NULL),
    UNIQUE NULLS NOT DISTINCT (pool_no, node_no, kind)
);
CREATE INDEX alert_threshold_node ON alert_threshold (node_no) WHERE node_no IS NOT NULL;

-- One row from the first breach of a threshold to its end. A breach that ends
-- before it lasted long enough leaves no row.
CREATE TABLE alert (
    alert_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_no        integer NOT NULL REFERENCES node,
    kind           text NOT NULL,
    state          text NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    severity       text NOT NULL CHECK (severity IN ('warning', 'critical')),
    value          double precision NOT NULL, -- as last observed
    threshold      double precision NOT NULL, -- of the severity
    detail         text NOT NULL DEFAULT '',  -- what it is about: a mount point
    warning_since  timestamptz, -- since when the value is beyond the level, without a break
    critical_since timestamptz,
    started_at     timestamptz NOT NULL,
    fired_at       timestamptz CHECK (fired_at >= started_at),
    observed_at    timestamptz NOT NULL,
    resolved_at    timestamptz,
    end_reason     text NOT NULL DEFAULT '',
    -- What webhooks have to be told still, and when they last were.
    untold         boolean NOT NULL DEFAULT false,
    told_at        timestamptz,
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((state = 'pending') = (fired_at IS NULL))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX alert_open ON alert (node_no, kind) WHERE state <> 'resolved';
CREATE INDEX alert_node ON alert (node_no, alert_no DESC);
CREATE INDEX alert_firing ON alert (alert_no) WHERE state = 'firing';
CREATE INDEX alert_untold ON alert (alert_no) WHERE untold;
CREATE INDEX alert_resolved ON alert (resolved_at) WHERE state = 'resolved';

-- When alerts are not delivered. What is null holds for all.
CREATE TABLE alert_silence (
    silence_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_no    integer REFERENCES pool,
    node_no    integer REFERENCES node,
    kind       text,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL CHECK (ends_at >= starts_at), -- equal: taken back before it began
    reason     text NOT NULL CHECK (reason <> ''),
    author     text NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (pool_no IS NULL OR node_no IS NULL)
);
CREATE INDEX alert_silence_ends ON alert_silence (ends_at);

-- Why an alert is not delivered at a time; null: it is. A node in maintenance is
-- silent by itself.
-- +goose StatementBegin
CREATE FUNCTION alert_silenced_by(of_node integer, of_pool integer, node_status text, of_kind text, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN node_status = 'maintenance' THEN 'maintenance' ELSE (
        SELECT s.reason FROM alert_silence s
        WHERE s.starts_at <= at AND s.ends_at > at AND (s.node_no IS NULL OR s.node_no = of_node)
          AND (s.pool_no IS NULL OR s.pool_no = of_pool) AND (s.kind IS NULL OR s.kind = of_kind)
        ORDER BY s.ends_at DESC, s.silence_no LIMIT 1) END
$$;
-- +goose StatementEnd

-- Where alerts are sent. The secret signs what is sent; it lies sealed.
CREATE TABLE webhook (
    webhook_id     text PRIMARY KEY CHECK (webhook_id ~ '^hook_[a-zA-Z0-9]+$'),
    type           text NOT NULL CHECK (type IN ('webhook', 'alertmanager')),
    url            text NOT NULL,
    kinds          text[] NOT NULL DEFAULT '{}', -- of alerts; empty: all
    min_severity   text NOT NULL CHECK (min_severity IN ('warning', 'critical')),
    secret_box     bytea, -- null: of an Alertmanager, which checks none
    created_at     timestamptz NOT NULL,
    next_at        timestamptz NOT NULL, -- not tried before
    failures       integer NOT NULL DEFAULT 0, -- in a row
    succeeded_at   timestamptz,
    failed_at      timestamptz,
    last_error     text NOT NULL DEFAULT '',
    deleted_at     timestamptz,
    CHECK ((type = 'webhook') = (secret_box IS NOT NULL))
);

-- What is to be sent to a webhook, in the order of its numbers; the body never
-- changes. An Alertmanager is told the present state instead.
CREATE TABLE webhook_delivery (
    delivery_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  text NOT NULL UNIQUE,
    webhook_id  text NOT NULL REFERENCES webhook,
    created_at  timestamptz NOT NULL,
    body        json NOT NULL, -- not jsonb: the signature covers these very bytes
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'delivered', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    status      integer, -- of the newest answer; null without one
    last_error  text NOT NULL DEFAULT '',
    ended_at    timestamptz,
    CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX webhook_delivery_open ON webhook_delivery (webhook_id, delivery_no) WHERE state = 'open';
CREATE INDEX webhook_delivery_of ON webhook_delivery (webhook_id, delivery_no DESC);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE state <> 'open';

-- Which topics an integration may read over MQTT with its API key.
CREATE TABLE mqtt_grant (
    grant_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id     text NOT NULL REFERENCES api_key,
    filter     text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (key_id, filter)
);

-- +goose Down
DROP TABLE mqtt_grant, webhook_delivery, webhook, alert_silence, alert, alert_threshold;
DROP FUNCTION alert_silenced_by;
