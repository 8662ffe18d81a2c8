package payout_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout"
)

func TestParseTransaction(t *testing.T) {
	id := strings.Repeat("0a1b", 16)
	for text, want := range map[string]string{
		id: id, strings.ToUpper(id): id, "0x" + id: id, "0X" + strings.ToUpper(id): id,
		"c0ffee": "c0ffee", "Withdrawal#2026/17": "Withdrawal#2026/17", "5f0c2b2ad1c94f0ea1d0a9f1d3f8c7aa": "5f0c2b2ad1c94f0ea1d0a9f1d3f8c7aa",
		strings.Repeat("7", 128):        "",
		"7:" + strings.Repeat("x", 126): "7:" + strings.Repeat("x", 126),
		"":                              "", "done": "", "paid it": "", "yes-of-course": "", "12345": "", "n/a": "",
		id[:63]: "", id + "0": "", "0x" + id[:60]: "", "ticket 17": "", "ticket\x0017": "", "tícket-17": "", "7:" + strings.Repeat("x", 127): "",
	} {
		got, err := payout.ParseTransaction(text)
		if got != want || fault.Has(err, fault.Validation) != (want == "") {
			t.Errorf("%q is read as %q, %v; want %q", text, got, err, want)
		}
	}
}

// The database and we agree on which spellings name one transaction, and it
// finds them by its index.
func TestSameTransaction(t *testing.T) {
	w := newWorld(t)
	id := strings.Repeat("0a1b", 16)
	for text, want := range map[string]string{
		id: id, strings.ToUpper(id): id, "0x" + id: id, "0X" + strings.ToUpper(id): id, "0x" + id + "0": "0x" + id + "0", "0x" + id[1:]: "0x" + id[1:],
		"0xTicket-7": "0xticket-7", "0x0x" + id[2:]: "0x0x" + id[2:],
	} {
		if got, stored := payout.SameTransaction(text), query[string](w, `SELECT same_transaction($1)`, text); got != want || stored != want {
			t.Errorf("%q is %q, in the database %q; want %q", text, got, stored, want)
		}
	}
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		if _, err := tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off`); err != nil {
			return err
		}
		var plan string
		err := tx.QueryRow(t.Context(), `EXPLAIN (FORMAT json) SELECT FROM payout WHERE same_transaction(transaction_hash) = same_transaction($1)`, id).Scan(&plan)
		if !strings.Contains(plan, "payout_transaction") {
			t.Errorf("the index is not used: %s", plan)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Ids of before were kept as they were given.
func TestTransactionOfBeforePaysNoSecondPayout(t *testing.T) {
	w := newWorld(t)
	first, second := w.only(w.waiting("node_a")).ID, w.only(w.waiting("node_b")).ID
	w.wantTaken(2, "node_a node_b")
	id := strings.Repeat("0a1b", 16)
	must(t)(w.store().Complete(t.Context(), byTest, first, id))
	w.exec(`UPDATE payout SET transaction_hash = $2 WHERE payout_id = $1`, first, "0x"+strings.ToUpper(id))
	refuse(t, fault.StateNotAllowed)(w.store().Complete(t.Context(), byTest, second, id))
}
