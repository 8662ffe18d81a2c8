-- What a program does that owns no table. Functions that write what it may not
-- run as the tables' owner, and look at no temporary table first: one of the
-- caller's own would stand before the real one.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION sample_partition_make(parent text, partition text, since timestamptz, until timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF parent !~ '^sample(_|$)' OR partition !~ ('^' || parent || '_[a-z0-9_]+$') THEN
        RAISE EXCEPTION '% is no partition of samples', partition;
    END IF;
    -- Attached ready-made: CREATE ... PARTITION OF would block writers.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', partition, parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, since, until);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sample_partition_drop(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF partition !~ '^sample_[a-z0-9_]+$' OR EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = to_regclass(format('%I', partition)) AND NOT c.relispartition) THEN
        RAISE EXCEPTION '% is no partition of samples', partition;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', partition);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['entry_joins_chain()', 'entry_is_balanced()', 'posting_applies()', 'statement_line_refers()', 'audit_joins_chain()',
        'sample_partition_make(text, text, timestamptz, timestamptz)', 'sample_partition_drop(text)'] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', f, current_schema());
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION sample_partition_make, sample_partition_drop FROM PUBLIC;

CREATE INDEX epoch_closed ON epoch (closed_at);
CREATE INDEX entry_at ON entry (at);

-- +goose Down
DROP INDEX entry_at;
DROP INDEX epoch_closed;
-- +goose StatementBegin
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['entry_joins_chain()', 'entry_is_balanced()', 'posting_applies()', 'statement_line_refers()', 'audit_joins_chain()'] LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY INVOKER RESET search_path', f);
    END LOOP;
END $$;
-- +goose StatementEnd
DROP FUNCTION sample_partition_drop, sample_partition_make;
