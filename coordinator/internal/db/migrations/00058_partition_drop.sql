-- A partition is dropped only where nobody holds it, or the table that it is of.

-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sample_partition_drop(partition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent regclass;
BEGIN
    IF partition !~ '^sample(_[0-9]+[mh])?_[0-9]{6,8}$' THEN
        RAISE EXCEPTION '% is no partition of samples', partition;
    END IF;
    SELECT i.inhparent INTO parent FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
        WHERE c.relname = partition AND c.relnamespace = current_schema()::regnamespace;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- Everybody who stores samples would wait behind a lock that is waited for here.
    IF parent IS NOT NULL THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT', parent);
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE NOWAIT', partition);
    EXECUTE format('DROP TABLE %I', partition);
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION sample_partition_drop(text) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION sample_partition_drop(partition text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF partition !~ '^sample_[a-z0-9_]+$' OR EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = to_regclass(format('%I', partition)) AND NOT c.relispartition) THEN
        RAISE EXCEPTION '% is no partition of samples', partition;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', partition);
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION sample_partition_drop(text) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END $$;
-- +goose StatementEnd
