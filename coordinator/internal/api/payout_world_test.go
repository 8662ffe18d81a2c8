package api

import (
	"context"
	"fmt"
	"net/http"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
)

const otherPayoutAddress = "TGfzB9BJFByWHrMQeSnv7mxfbSycTukXBL"

// payoutStore is one on the world's clock and suspicions, on other terms than usual.
func (w *world) payoutStore(terms payout.Terms) *payout.Store {
	w.t.Helper()
	store, err := payout.NewStore(payout.Config{
		Pool: w.db, Now: w.now, Terms: terms, Held: func(context.Context, db.Tx, []int32) (map[int32]bool, error) { return w.held, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return store
}

// earning enrols a node that has so much to be paid, at an address.
func (w *world) earning(name string, usdt int64) node.Node {
	w.t.Helper()
	n := w.enrol(name, "")
	w.fund(n.ID, usdt)
	return n
}

// fund gives a node an address and so much to be paid, once.
func (w *world) fund(nodeID string, usdt int64) {
	w.t.Helper()
	w.inTx(func(ctx context.Context, tx db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE node SET payout_address = $1 WHERE node_id = $2`, payoutAddress, nodeID); err != nil {
			return err
		}
		_, err := ledger.Post(ctx, tx, ledger.Accrue("gift to "+nodeID, w.now(), "pool_gift", []ledger.Share{{NodeID: nodeID, Amount: ledger.USDT(usdt)}}, 0))
		return err
	})
}

// once is the header of a call that makes something, as an admin's key.
func (w *world) once(key string) func(*http.Request) {
	return func(r *http.Request) {
		as(w.keys[access.Admin])(r)
		r.Header.Set("Idempotency-Key", key)
	}
}

// payoutOf makes a payout of 10 USDT and gives its id.
func (w *world) payoutOf(nodeID string) string {
	w.t.Helper()
	var p object
	w.want(w.send(http.MethodPost, "/api/v1/nodes/"+nodeID+"/payouts", `{"amount":10,"currency":"USDT"}`, w.once("of "+nodeID)), http.StatusCreated, &p)
	return p["payout_id"].(string)
}

// moneyStands is what all accounts hold and how many things were made of money.
func (w *world) moneyStands() (text string) {
	w.t.Helper()
	err := w.db.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(kind || ' ' || owner || ' ' || balance, '; ' ORDER BY account_no), '') FROM account`).Scan(&text)
	if err != nil {
		w.t.Fatal(err)
	}
	return text + fmt.Sprintf("; %d payouts, %d batches, %d entries", w.count(`SELECT count(*) FROM payout`), w.count(`SELECT count(*) FROM payout_batch`),
		w.count(`SELECT count(*) FROM entry`))
}

func byCLI() audit.By { return audit.By{Actor: audit.CLI} }

// started begins to pay a payout.
func (w *world) started(id string) {
	w.t.Helper()
	if _, err := w.Payouts.Start(w.t.Context(), byCLI(), id); err != nil {
		w.t.Fatal(err)
	}
}
