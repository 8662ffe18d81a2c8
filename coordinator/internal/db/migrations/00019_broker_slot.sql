-- Table of package job: broker_slot.

-- +goose Up
-- One row a place that a coordinator has, or had, at a broker that is not its
-- own. Who holds the advisory lock of its number has it; a row without a holder
-- names a session at the broker that somebody has to empty.
CREATE TABLE broker_slot (
    slot_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE broker_slot;
