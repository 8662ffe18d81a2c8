-- A program from before tokens named their boards, which runs on beside a newer one
-- while a fleet is upgraded, takes any board. It says of none which it is. Tables
-- of package node: enrolment_use.

-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION refuse_unnamed_board() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM enrolment_board b WHERE b.token_hash = NEW.token_hash) THEN
        RAISE EXCEPTION 'the token names its boards, and this program does not ask which one enrols: upgrade it';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER enrolment_use_board BEFORE INSERT ON enrolment_use FOR EACH ROW WHEN (NEW.serial_hash IS NULL) EXECUTE FUNCTION refuse_unnamed_board();

-- +goose Down
DROP TRIGGER enrolment_use_board ON enrolment_use;
DROP FUNCTION refuse_unnamed_board;
