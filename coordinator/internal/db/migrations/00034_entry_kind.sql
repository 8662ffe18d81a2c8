-- The kinds of entries of package ledger, all together: two migrations had
-- each named those that it knew of.

-- +goose Up
ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void', 'forfeit',
        'receipt', 'transfer', 'network_fee'));

-- +goose Down
ALTER TABLE entry DROP CONSTRAINT entry_kind_check,
    ADD CONSTRAINT entry_kind_check CHECK (kind IN ('accrue', 'hold', 'release', 'reserve', 'settle', 'void', 'forfeit'));
