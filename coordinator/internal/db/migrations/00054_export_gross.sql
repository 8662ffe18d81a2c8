-- The file of an export says what a payout costs its node, too: who finds one that
-- a restored database forgot makes it again by that.

-- +goose Up
-- Which columns its file has, the same each time it is read: 1 has the net amount
-- alone, 2 has gross amount and fee behind. A program from before makes the first.
ALTER TABLE payout_export ADD COLUMN file_version smallint NOT NULL DEFAULT 1 CHECK (file_version >= 1);

-- +goose Down
ALTER TABLE payout_export DROP COLUMN file_version;
