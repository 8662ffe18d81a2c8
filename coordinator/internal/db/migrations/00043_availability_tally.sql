-- Availability is counted up, so that no verdict reads a node's history again.
-- Tables of package score: availability_tally.
-- Tables of package outage: fault_revision, and fault_window grows.

-- +goose Up
-- How often fault windows were recorded or changed. Whoever has counted with
-- those of a revision can ask for what came later: the row is locked until the
-- change commits, so that no lower number shows up after a higher one.
CREATE TABLE fault_revision (
    id   smallint PRIMARY KEY CHECK (id = 1),
    last bigint NOT NULL
);
INSERT INTO fault_revision (id, last) VALUES (1, 0);

ALTER TABLE fault_window ADD COLUMN revision bigint NOT NULL DEFAULT 0;
CREATE INDEX fault_window_revision ON fault_window (revision);

-- A trigger, since programs of an older schema record windows, too.
-- +goose StatementBegin
CREATE FUNCTION fault_window_is_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE fault_revision SET last = last + 1 WHERE id = 1 RETURNING last INTO STRICT NEW.revision;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER fault_window_is_revised BEFORE INSERT OR UPDATE ON fault_window FOR EACH ROW EXECUTE FUNCTION fault_window_is_revised();

CREATE TABLE availability_tally (
    node_no        integer PRIMARY KEY REFERENCES node,
    through        timestamptz NOT NULL, -- all before is counted
    fault_revision bigint NOT NULL,      -- counted with the windows up to this one
    -- The last intervals that begin before through, as they were then; an end
    -- at through may be none. null: there was none.
    presence_from  timestamptz,
    presence_to    timestamptz,
    state_from     timestamptz,
    state_to       timestamptz,
    -- Microseconds of each day of UTC; the last one is the day of through.
    expected_us    bigint[] NOT NULL,
    online_us      bigint[] NOT NULL
) WITH (fillfactor = 70); -- a row is written each hour

-- +goose Down
DROP TABLE availability_tally;
DROP TRIGGER fault_window_is_revised ON fault_window;
DROP FUNCTION fault_window_is_revised;
ALTER TABLE fault_window DROP COLUMN revision;
DROP TABLE fault_revision;
