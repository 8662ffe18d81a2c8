-- A node's own daily maintenance window silences its alerts.

-- +goose Up
-- +goose StatementBegin
-- The time of day at a place; UTC where its zone is not given, or not known to
-- this server.
CREATE FUNCTION time_of_day(at timestamptz, zone text)
RETURNS time LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (at AT TIME ZONE COALESCE(zone, 'UTC'))::time;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (at AT TIME ZONE 'UTC')::time;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Whether a node's window, HH:MM to HH:MM where the node is, holds an instant.
-- One whose end lies before its start goes over midnight.
CREATE FUNCTION in_maintenance_window(of_node integer, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM (
            SELECT (configuration #>> '{maintenance_window,start}')::time AS start,
                (configuration #>> '{maintenance_window,end}')::time AS "end", time_of_day(at, location ->> 'timezone') AS now
            FROM node WHERE node_no = of_node AND configuration ? 'maintenance_window') w
        WHERE CASE WHEN w.start < w."end" THEN w.now >= w.start AND w.now < w."end" ELSE w.now >= w.start OR w.now < w."end" END)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION alert_silenced_by(of_node integer, of_pool integer, node_status text, of_kind text, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN node_status = 'maintenance' THEN 'maintenance' WHEN in_maintenance_window(of_node, at) THEN 'maintenance window' ELSE (
        SELECT s.reason FROM alert_silence s
        WHERE s.starts_at <= at AND s.ends_at > at AND (s.node_no IS NULL OR s.node_no = of_node)
          AND (s.pool_no IS NULL OR s.pool_no = of_pool) AND (s.kind IS NULL OR s.kind = of_kind)
        ORDER BY s.ends_at DESC, s.silence_no LIMIT 1) END
$$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION alert_silenced_by(of_node integer, of_pool integer, node_status text, of_kind text, at timestamptz)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN node_status = 'maintenance' THEN 'maintenance' ELSE (
        SELECT s.reason FROM alert_silence s
        WHERE s.starts_at <= at AND s.ends_at > at AND (s.node_no IS NULL OR s.node_no = of_node)
          AND (s.pool_no IS NULL OR s.pool_no = of_pool) AND (s.kind IS NULL OR s.kind = of_kind)
        ORDER BY s.ends_at DESC, s.silence_no LIMIT 1) END
$$;
-- +goose StatementEnd
DROP FUNCTION in_maintenance_window;
DROP FUNCTION time_of_day;
