package rail

import (
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/ledger/ledgertest"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
)

// wantSound is the independent model: it compares what the chain did with what
// the tables say, and knows nothing of how the rail works. It holds at every
// moment, also while the program is ended.
func (w *world) wantSound() {
	w.t.Helper()
	recorded := make(map[tron.ID]string) // payout by transaction
	rows, err := w.pool.Query(w.t.Context(), `SELECT tx_id, payout_id FROM rail_attempt JOIN payout USING (payout_no)`)
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		var id []byte
		var payoutID string
		if err := rows.Scan(&id, &payoutID); err != nil {
			w.t.Fatal(err)
		}
		recorded[tron.ID(id)] = payoutID
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	for _, id := range w.chain.Sent() {
		if recorded[id] == "" {
			w.t.Errorf("transaction %s was sent and is not recorded", id)
		}
	}
	moved := make(map[string]int)
	for _, m := range w.chain.Mined() {
		if m.Amount > 0 {
			moved[recorded[m.ID]]++
		}
	}
	for _, m := range w.chain.Mined() {
		if id := recorded[m.ID]; m.Amount > 0 && !w.counted(id, m.To) {
			w.t.Errorf("%s was paid to %s, which did not count when it was taken", id, m.To)
		}
	}
	if n := query[int](w, `SELECT count(*) FROM rail_attempt a JOIN payout USING (payout_no) JOIN fraud_hold h USING (node_no)
		WHERE a.created_at > h.from_at AND (h.to_at IS NULL OR a.created_at < h.to_at)`); n > 0 {
		w.t.Errorf("%d transactions were signed for nodes that were held", n)
	}
	if n := query[int](w, `SELECT count(*) FROM rail_attempt a JOIN payout p USING (payout_no) JOIN fraud_flag f USING (node_no) JOIN fraud_decision d USING (flag_no)
		WHERE d.decision = 'confirmed' AND p.created_at <= d.at AND a.created_at > d.at`); n > 0 {
		w.t.Errorf("%d transactions were signed for what was forfeited", n)
	}
	if kept := query[int64](w, `SELECT coalesce(sum(a.balance), 0) FROM account a JOIN node n ON n.node_id = a.owner WHERE a.kind IN ('payable', 'held')
		AND EXISTS (SELECT FROM fraud_flag f JOIN fraud_decision d USING (flag_no) WHERE f.node_no = n.node_no AND d.decision = 'confirmed')`); kept > 0 {
		w.t.Errorf("nodes whose fraud was confirmed keep %d of what they had", kept)
	}
	for payoutID, times := range moved {
		if times > 1 {
			w.t.Errorf("%s was paid %d times", payoutID, times)
		}
		if s := w.status(payoutID); s != payout.Processing && s != payout.Completed {
			w.t.Errorf("%s was paid and is %s", payoutID, s)
		}
	}
	for _, payoutID := range recordedCompleted(w) {
		if moved[payoutID] != 1 {
			w.t.Errorf("%s is completed and was paid %d times", payoutID, moved[payoutID])
		}
	}
	ledgertest.WantSound(w.t, w.pool)
	negative := query[int](w, `SELECT count(*) FROM account WHERE balance < 0 AND kind NOT IN ('pool_expense', 'received', 'trx_received')`)
	owed := query[int64](w, `SELECT coalesce(sum(balance), 0) FROM account WHERE kind IN ('payable', 'held', 'in_flight', 'paid_out', 'fee_pending', 'fee_income', 'unallocated')`)
	spent := query[int64](w, `SELECT coalesce(-sum(balance), 0) FROM account WHERE kind = 'pool_expense'`)
	if negative > 0 || owed != spent {
		w.t.Errorf("%d accounts are negative; nodes, pools and fees hold %d of the %d that were given", negative, owed, spent)
	}
}

// counted reports whether an address was its node's when a payout was taken;
// where it changed in that very instant, both were.
func (w *world) counted(payoutID string, to tron.Address) bool {
	w.t.Helper()
	taken, counts := query[time.Time](w, `SELECT processed_at FROM payout WHERE payout_id = $1`, payoutID), false
	for _, a := range w.addresses[payoutID] {
		switch {
		case a.at.Before(taken):
			counts = a.address == to
		case a.at.Equal(taken):
			counts = counts || a.address == to
		}
	}
	return counts
}

func recordedCompleted(w *world) []string {
	return query[[]string](w, `SELECT coalesce(array_agg(payout_id), '{}') FROM payout WHERE status = 'completed'`)
}

// wantEven says that wallet and ledger agree to the last unit, as they must
// once nothing is under way.
func (w *world) wantEven() {
	w.t.Helper()
	wallet := w.signer.Address()
	booked, err := ledger.Balances(w.t.Context(), w.pool, wallet.String())
	if err != nil {
		w.t.Fatal(err)
	}
	if tokens, sun := w.chain.Tokens(wallet), w.chain.Sun(wallet); tokens != int64(booked[ledger.KindWallet]) || sun != int64(booked[ledger.KindTRXWallet]) {
		w.t.Errorf("the wallet holds %d and %d sun, the ledger says %d and %d", tokens, sun, booked[ledger.KindWallet], booked[ledger.KindTRXWallet])
	}
}
