-- Tables of packages ledger and epoch: the same rules, checked for all rows of
-- a statement at once. One by one, the foreign keys of postings and statement
-- lines took more time than settling an epoch did otherwise: a look-up each,
-- and a row lock that is written. What they refer to is never deleted.

-- +goose Up
ALTER TABLE posting DROP CONSTRAINT posting_entry_id_fkey, DROP CONSTRAINT posting_account_no_fkey;
ALTER TABLE statement_line DROP CONSTRAINT statement_line_epoch_no_fkey, DROP CONSTRAINT statement_line_node_no_fkey;
CREATE TRIGGER node_no_delete BEFORE DELETE ON node FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER node_no_truncate BEFORE TRUNCATE ON node FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Balances move with every epoch. With room beside it a row's next version needs
-- no new index entries.
ALTER TABLE account SET (fillfactor = 50);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION posting_applies() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost boolean;
    uneven boolean;
BEGIN
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT entry_id FROM added) a LEFT JOIN entry USING (entry_id)
               WHERE entry.xid IS DISTINCT FROM pg_current_xact_id()) THEN
        RAISE EXCEPTION 'an entry of an earlier transaction, or one that is not there, takes no postings; post a correcting entry';
    END IF;
    WITH moved AS (
        SELECT account_no, sum(amount)::bigint AS amount FROM added GROUP BY account_no
    ), applied AS (
        UPDATE account SET balance = balance + moved.amount FROM moved WHERE account.account_no = moved.account_no
        RETURNING account.account_no, account.asset
    )
    SELECT bool_or(asset IS NULL), bool_or(total <> 0) INTO lost, uneven
    FROM (SELECT asset, sum(amount) AS total FROM added LEFT JOIN applied USING (account_no) GROUP BY entry_id, asset) each;
    IF lost THEN
        RAISE EXCEPTION 'a posting names an account that is not there';
    END IF;
    IF uneven THEN
        RAISE EXCEPTION 'postings of an entry do not sum to zero; insert all of them in one statement';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_refuses_outside() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'account follows from postings: direct UPDATE refused; post an entry';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TRIGGER account_guard ON account;
CREATE TRIGGER account_guard BEFORE UPDATE ON account FOR EACH STATEMENT EXECUTE FUNCTION account_refuses_outside();

-- +goose StatementBegin
CREATE FUNCTION statement_line_refers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM (SELECT DISTINCT epoch_no FROM added) a WHERE NOT EXISTS (SELECT 1 FROM epoch WHERE epoch.epoch_no = a.epoch_no)) THEN
        RAISE EXCEPTION 'a statement line names an epoch that is not there';
    END IF;
    IF EXISTS (SELECT 1 FROM added a WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.node_no = a.node_no)) THEN
        RAISE EXCEPTION 'a statement line names a node that is not there';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER statement_line_reference AFTER INSERT ON statement_line REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION statement_line_refers();

-- +goose Down
DROP TRIGGER statement_line_reference ON statement_line;
DROP FUNCTION statement_line_refers;
DROP TRIGGER account_guard ON account;
CREATE TRIGGER account_guard BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION ledger_refuse_outside();
DROP FUNCTION account_refuses_outside;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION posting_applies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added JOIN entry USING (entry_id) WHERE entry.xid <> pg_current_xact_id()) THEN
        RAISE EXCEPTION 'an entry of an earlier transaction takes no more postings; post a correcting entry';
    END IF;
    IF EXISTS (SELECT 1 FROM added JOIN account USING (account_no) GROUP BY entry_id, asset HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'postings of an entry do not sum to zero; insert all of them in one statement';
    END IF;
    UPDATE account SET balance = balance + moved.amount
    FROM (SELECT account_no, sum(amount)::bigint AS amount FROM added GROUP BY account_no) moved
    WHERE account.account_no = moved.account_no;
    RETURN NULL;
END $$;
-- +goose StatementEnd
ALTER TABLE account RESET (fillfactor);
DROP TRIGGER node_no_truncate ON node;
DROP TRIGGER node_no_delete ON node;
ALTER TABLE statement_line ADD FOREIGN KEY (epoch_no) REFERENCES epoch, ADD FOREIGN KEY (node_no) REFERENCES node;
ALTER TABLE posting ADD FOREIGN KEY (entry_id) REFERENCES entry, ADD FOREIGN KEY (account_no) REFERENCES account;
