package coordinator

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// A plan goes by what sending costs, and nothing is sent to the wallet that
// sends it, nor to the contract, which keeps it.
func TestPlansOfTheTRONRail(t *testing.T) {
	const contract = "TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR"
	config := testConfig(t,
		Override{Key: "payout.rail", Value: RailTRON}, Override{Key: "tron.network", Value: "private"},
		Override{Key: "tron.contract", Value: contract}, Override{Key: "tron.wallet_passphrase", Value: "correct horse battery"},
		Override{Key: "tron.api_urls", Value: "http://127.0.0.1:1,http://127.0.0.2:1"})
	wallet, err := CreateWallet(config)
	if err != nil {
		t.Fatal(err)
	}
	f := newFoundation(t, config)
	var requests []payout.Request
	var shares []ledger.Share
	for id, address := range map[string]string{"node_wallet": wallet, "node_contract": contract, "node_plain": "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"} {
		if _, err := f.DB.Exec(t.Context(), `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', $2)`, id, address); err != nil {
			t.Fatal(err)
		}
		shares = append(shares, ledger.Share{NodeID: id, Amount: ledger.USDT(20)})
		requests = append(requests, payout.Request{NodeID: id, Amount: ledger.USDT(10)})
	}
	err = db.InTx(t.Context(), f.DB, func(tx db.Tx) error {
		_, err := ledger.Post(t.Context(), tx, ledger.Accrue("gift", f.now(), "pool_gift", shares, 0))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Payouts().Plan(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range plan.Lines {
		want := map[string]string{"node_wallet": "pay itself", "node_contract": "pay itself", "node_plain": "what sending costs is not known"}[l.NodeID]
		if l.Refused == nil || !strings.Contains(l.Refused.Message, want) {
			t.Errorf("%s: %v, want %q", l.NodeID, l.Refused, want)
		}
	}
}
