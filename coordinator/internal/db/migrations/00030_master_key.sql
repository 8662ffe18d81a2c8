-- Tables of package seal: which master key seals, and who has which.

-- +goose Up
-- A master key is named by the first byte of every box that it sealed. Before
-- the first rotation it is whichever the coordinators have.
CREATE TABLE seal_state (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealing_id smallint CHECK (sealing_id BETWEEN 0 AND 255),
    next_id    smallint CHECK (next_id BETWEEN 0 AND 255 AND next_id <> sealing_id), -- takes over; null: no rotation
    resealing  boolean NOT NULL DEFAULT false CHECK (NOT resealing OR next_id IS NOT NULL), -- everybody has it
    CHECK (next_id IS NULL OR sealing_id IS NOT NULL)
);
INSERT INTO seal_state DEFAULT VALUES;

-- Programs that run and the keys that they have, so that a rotation waits for
-- the last of them.
CREATE TABLE seal_holder (
    holder_id uuid PRIMARY KEY,
    name      text NOT NULL, -- host and process
    opens     smallint[] NOT NULL,
    seals     smallint NOT NULL,
    seen_at   timestamptz NOT NULL
);

-- Nothing is sealed under a key that was rotated away: not by a program either
-- that slept through the rotation. FOR SHARE makes its end wait for who is about to.
-- +goose StatementBegin
CREATE FUNCTION refuse_rotated_key() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sealed bytea := decode(substr(to_jsonb(NEW) ->> TG_ARGV[0], 3, 2), 'hex');
    state seal_state;
BEGIN
    SELECT * INTO state FROM seal_state FOR SHARE;
    IF length(sealed) = 1 AND get_byte(sealed, 0) NOT IN (state.sealing_id, coalesce(state.next_id, state.sealing_id)) THEN
        RAISE EXCEPTION 'sealed under a master key that was rotated away: give this coordinator the present one, and start it again';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER sealed_secret_key BEFORE INSERT OR UPDATE OF box ON sealed_secret FOR EACH ROW EXECUTE FUNCTION refuse_rotated_key('box');
CREATE TRIGGER node_key_key BEFORE INSERT OR UPDATE OF root_box ON node_key FOR EACH ROW EXECUTE FUNCTION refuse_rotated_key('root_box');
CREATE TRIGGER node_key_offer_key BEFORE INSERT OR UPDATE OF exchange_box ON node_key_offer FOR EACH ROW EXECUTE FUNCTION refuse_rotated_key('exchange_box');
CREATE TRIGGER webhook_key BEFORE INSERT OR UPDATE OF secret_box ON webhook FOR EACH ROW EXECUTE FUNCTION refuse_rotated_key('secret_box');

-- +goose Down
DROP TRIGGER webhook_key ON webhook;
DROP TRIGGER node_key_offer_key ON node_key_offer;
DROP TRIGGER node_key_key ON node_key;
DROP TRIGGER sealed_secret_key ON sealed_secret;
DROP FUNCTION refuse_rotated_key;
DROP TABLE seal_holder, seal_state;
