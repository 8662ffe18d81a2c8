-- Whose samples are refused because of their time, so that somebody is told of
-- a clock that is far off. Table of package sample: sample_untimely.

-- +goose Up
-- The newest such sample of each node. Written every few seconds at most, however many come.
CREATE TABLE sample_untimely (
    node_no     integer PRIMARY KEY REFERENCES node,
    at          timestamptz NOT NULL, -- by the node's clock
    received_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- +goose Down
DROP TABLE sample_untimely;
