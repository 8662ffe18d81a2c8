-- Whose turn it is to write alerts. Two coordinators may both take themselves for the
-- leader for some seconds, and one that stood still may go on much later.

-- +goose Up
-- Each look at the fleet takes the next turn. What it found is written only while
-- nobody has looked since, so that each change of an alert is one row, one event, and
-- handed over once.
CREATE TABLE alert_turn (
    id   smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    turn bigint NOT NULL
);
INSERT INTO alert_turn (turn) VALUES (0);

-- +goose Down
DROP TABLE alert_turn;
