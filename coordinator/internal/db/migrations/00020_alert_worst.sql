-- Tables of package alert: alert. package webhook reads it.

-- +goose Up
-- The worst that fired: who is told of critical alerts only is also told when
-- one eases and ends.
ALTER TABLE alert ADD COLUMN worst text NOT NULL DEFAULT 'warning' CHECK (worst IN ('warning', 'critical'));
UPDATE alert SET worst = 'critical' WHERE severity = 'critical' AND state <> 'pending';

-- +goose Down
ALTER TABLE alert DROP COLUMN worst;
