-- What confirmed fraud forfeits follows from the order of payouts and decisions, not
-- from the clocks of the coordinators that made them.

-- +goose Up
-- The newest payout that the node had when it was decided; 0: it had none. Payouts are
-- numbered and flags decided under the ledger's lock, so what has a higher number was
-- made later. Of decisions from before the times tell, as they did.
ALTER TABLE fraud_decision ADD COLUMN newest_payout_no bigint;
ALTER TABLE fraud_decision DISABLE TRIGGER fraud_decision_append_only;
UPDATE fraud_decision d SET newest_payout_no = COALESCE((SELECT max(p.payout_no) FROM fraud_flag f JOIN payout p USING (node_no)
    WHERE f.flag_no = d.flag_no AND p.created_at <= d.at), 0);
ALTER TABLE fraud_decision ENABLE TRIGGER fraud_decision_append_only;
ALTER TABLE fraud_decision ALTER COLUMN newest_payout_no SET NOT NULL;

-- By a trigger, so that programs from before remember it as well.
-- +goose StatementBegin
CREATE FUNCTION fraud_decision_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.newest_payout_no := COALESCE((SELECT max(p.payout_no) FROM fraud_flag f JOIN payout p USING (node_no) WHERE f.flag_no = NEW.flag_no), 0);
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER fraud_decision_number BEFORE INSERT ON fraud_decision FOR EACH ROW EXECUTE FUNCTION fraud_decision_number();

-- The confirmed flags by which what a node was to be paid goes back to the pools, by
-- that payout's number. The function of the same name that is given a time serves
-- programs from before.
-- +goose StatementBegin
CREATE FUNCTION forfeited_by(of_node integer, made_no bigint) RETURNS TABLE (flag_no bigint) LANGUAGE sql STABLE AS $$
    SELECT f.flag_no FROM fraud_flag f JOIN fraud_decision d USING (flag_no)
    WHERE f.node_no = of_node AND d.decision = 'confirmed' AND d.newest_payout_no >= made_no
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION forfeited_by(integer, bigint);
DROP TRIGGER fraud_decision_number ON fraud_decision;
DROP FUNCTION fraud_decision_number;
ALTER TABLE fraud_decision DROP COLUMN newest_payout_no;
