package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
)

const payoutAddress = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

// earning makes a node with 5,000 USDT to be paid, and gives its id.
func (f *fleet) earning(name string) string {
	f.t.Helper()
	id := f.made("node_id", "nodes", "create", name, "--payout-address", payoutAddress)
	err := db.InTx(f.t.Context(), f.db, func(tx db.Tx) error {
		_, err := ledger.Post(f.t.Context(), tx, ledger.Accrue("gift to "+id, time.Now(), "pool_gift", []ledger.Share{{NodeID: id, Amount: ledger.USDT(5000)}}, 0))
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// file writes a file and gives its name.
func (f *fleet) file(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func (f *fleet) wantStatus(id, want string) {
	f.t.Helper()
	if out := f.must("payouts", "get", id, "-o", "csv"); !strings.Contains(out, ","+want+",") {
		f.t.Errorf("%s is not %s:\n%s", id, want, out)
	}
}

// refused types a command as an admin's key, which must be refused with the code.
func (f *fleet) refused(code string, args ...string) {
	f.t.Helper()
	if o := f.run(args...); o.code == 0 || !strings.Contains(o.notes, code) {
		f.t.Errorf("lucidctl %s: exit code %d, %s; want %s", strings.Join(args, " "), o.code, o.notes, code)
	}
}

// A payout's life from the shell.
func TestPayoutsFromTheShell(t *testing.T) {
	f := newFleet(t)
	a, b, c := f.earning("a-pi"), f.earning("b-pi"), f.earning("c-pi")
	id := f.made("payout_id", "payouts", "create", a, "10.5", "--idempotency-key", "k")
	if again := f.made("payout_id", "payouts", "create", a, "10.5", "--idempotency-key", "k"); again != id {
		t.Errorf("made again as %s", again)
	}
	f.refused("LUCID_ERR_1002", "payouts", "create", b, "1e1")
	export := f.must("payouts", "export")
	if want := fmt.Sprintf("payout_id,node_id,wallet_address,amount,currency,gross_amount,fee\n%s,%s,%s,10.395,USDT,10.5,0.105\n", id, a, payoutAddress); export != want {
		t.Errorf("exported %q, want %q", export, want)
	}
	exportID := f.cell("SELECT export_id FROM payout_export")
	if again := f.must("payouts", "export", "--id", exportID); again != export {
		t.Errorf("exported again: %q", again)
	}
	f.must("payouts", "fail", id, "--reason", "refused", "--proof", "ticket 17")
	report := f.must("payouts", "failure", id, "-o", "csv")
	hash := report[strings.LastIndex(report, ",")+1 : len(report)-1]
	f.refused("LUCID_ERR_2003", "payouts", "confirm-failure", id, hash) // a key is no second person
	if all := f.must("payouts", "list", "--status", "processing", "-o", "csv"); !strings.Contains(all, id+","+a+",processing,") || !strings.Contains(report, "ticket 17") {
		t.Errorf("%s\n%s", all, report)
	}
	wallet := f.file("wallet.csv", "transaction_hash,wallet_address,amount\nc0ffee,"+payoutAddress+",10.395\n")
	if out := f.must("payouts", "reconcile", wallet, "-o", "csv"); !strings.Contains(out, "matched") {
		t.Errorf("%s", out)
	}
	f.must("payouts", "reconcile", wallet, "--record")
	f.wantStatus(id, "completed")
	f.refused("LUCID_ERR_4003", "payouts", "retry", id)

	plan := f.must("payouts", "plan", "--file", f.file("two.csv", "node_id,amount\n"+b+",20\n"+c+",1500\n"), "-o", "json")
	f.must("payouts", "execute", f.file("plan.json", plan))
	batch := f.cell("SELECT batch_id FROM payout_batch")
	f.refused("LUCID_ERR_2003", "payouts", "approve-batch", batch)
	second := f.cell("SELECT payout_id FROM payout JOIN node USING (node_no) WHERE node_id = '" + b + "'")
	f.refused("LUCID_ERR_2003", "payouts", "approve", second)
	f.must("payouts", "cancel", second)
	f.wantStatus(second, "cancelled")
	f.refused("LUCID_ERR_4302", "payouts", "batch", f.file("small.csv", "node_id,amount\n"+a+",0.5\n"))
	f.refused("LUCID_ERR_2003", "payouts", "budget", "500")
	f.must("payouts", "halt", "a drill")
	f.refused("LUCID_ERR_4003", "payouts", "complete", second, "ticket-1")
	f.must("payouts", "lift", "1")
	if out := f.must("payouts", "halts", "-o", "csv"); strings.Contains(out, "drill") {
		t.Errorf("still halted: %s", out)
	}
}

// cell reads one text from the database.
func (f *fleet) cell(sql string) (text string) {
	f.t.Helper()
	if err := f.db.QueryRow(f.t.Context(), sql).Scan(&text); err != nil {
		f.t.Fatal(err)
	}
	return text
}

// TestEarningsSumToWhatWasEarned: a fee is neither payable nor paid, and has a line of its own.
func TestEarningsSumToWhatWasEarned(t *testing.T) {
	f := newFleet(t)
	node := f.earning("a-pi")
	want := func(row string) {
		t.Helper()
		head := "node_id,payable,held,in_flight,paid,fees,currency\n"
		if out := f.must("earnings", node, "-o", "csv"); out != head+node+","+row+",USDT\n" {
			t.Errorf("earnings are %s, want %s", out, row)
		}
	}
	want("5000.000000,0.000000,0.000000,0.000000,0.000000")
	paid := f.made("payout_id", "payouts", "create", node, "100")
	want("4900.000000,0.000000,99.000000,0.000000,1.000000")
	f.must("payouts", "export")
	f.must("payouts", "complete", paid, strings.Repeat("a", 64))
	cancelled := f.made("payout_id", "payouts", "create", node, "200")
	want("4700.000000,0.000000,198.000000,99.000000,3.000000")
	f.must("payouts", "cancel", cancelled, "-y")
	want("4900.000000,0.000000,0.000000,99.000000,1.000000")
}
