-- What fraud that was confirmed means for payouts that were made before.

-- +goose Up
-- The confirmed flags by which what a node was to be paid goes back to the pools,
-- by when that payout was made; none: it is still the node's. It gives rows, so that
-- Postgres makes it a part of the asking query; a single value would be a call a payout.
-- +goose StatementBegin
CREATE FUNCTION forfeited_by(of_node integer, made_at timestamptz) RETURNS TABLE (flag_no bigint) LANGUAGE sql STABLE AS $$
    SELECT f.flag_no FROM fraud_flag f JOIN fraud_decision d USING (flag_no)
    WHERE f.node_no = of_node AND d.decision = 'confirmed' AND d.at >= made_at
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION forfeited_by;
