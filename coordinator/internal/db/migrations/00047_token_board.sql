-- A token of several uses names the boards that it brings in, each once. Tables
-- of package node: enrolment_board. enrolment_use says which board it was.

-- +goose Up
CREATE TABLE enrolment_board (
    token_hash  bytea NOT NULL REFERENCES enrolment_token ON DELETE CASCADE,
    serial_hash text NOT NULL CHECK (serial_hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the board's serial number
    PRIMARY KEY (token_hash, serial_hash)
);

ALTER TABLE enrolment_use
    ADD COLUMN serial_hash text, -- NULL: used before tokens named their boards
    ADD UNIQUE (token_hash, serial_hash),
    ADD FOREIGN KEY (token_hash, serial_hash) REFERENCES enrolment_board ON DELETE CASCADE;

-- Those that name no boards take any.
UPDATE enrolment_token SET revoked_at = now() WHERE uses > 1 AND revoked_at IS NULL;

-- +goose Down
-- An older program would take any board for one that the token names.
UPDATE enrolment_token SET revoked_at = now() WHERE uses > 1 AND revoked_at IS NULL;
ALTER TABLE enrolment_use DROP COLUMN serial_hash;
DROP TABLE enrolment_board;
