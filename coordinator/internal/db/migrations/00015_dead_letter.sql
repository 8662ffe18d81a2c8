-- Table dead_letter of package sample: the reason as one of few words, by which
-- letters are counted and listed. What an older coordinator writes is 'unknown'.

-- +goose Up
ALTER TABLE dead_letter ADD COLUMN kind text NOT NULL DEFAULT 'unknown';

-- +goose Down
ALTER TABLE dead_letter DROP COLUMN kind;
