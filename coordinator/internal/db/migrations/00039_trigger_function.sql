-- Trigger functions that write as the tables' owner belong to their own tables.
-- Anybody may call a new function, and so may hang it on a temporary table of
-- his own: what he inserts there would have moved balances without postings,
-- or the end of the chain without an entry. A trigger that stands needs no right.

-- +goose Up
REVOKE EXECUTE ON FUNCTION entry_joins_chain, entry_is_balanced, posting_applies, statement_line_refers, audit_joins_chain FROM PUBLIC;

-- +goose Down
GRANT EXECUTE ON FUNCTION entry_joins_chain, entry_is_balanced, posting_applies, statement_line_refers, audit_joins_chain TO PUBLIC;
