-- How many runs of a node are new is asked with each new one. Tables of package
-- sample: node_run.

-- +goose Up
-- Neither column ever changes, so the watermark still moves without writing to an index.
CREATE INDEX node_run_started ON node_run (node_no, started_at);

-- +goose Down
DROP INDEX node_run_started;
