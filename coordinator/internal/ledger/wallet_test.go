package ledger_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
)

// What the wallet holds is kept by asset: USDT and TRX never make up for each other.
func TestWalletIsBookedByAsset(t *testing.T) {
	pool, wallet := dbtest.New(t), "TV6MuMXfmLbBqPZvBHdwFsDnQeVfnmiuSi"
	for _, e := range []ledger.Entry{
		ledger.Receipt("first", noon, wallet, ledger.USDT(100), ledger.USDT(30)),
		ledger.Transfer("tx", noon, wallet, ledger.USDT(40)),
		ledger.NetworkFee("tx", noon, wallet, 13_345_000),
	} {
		mustPost(t, pool, e)
	}
	if _, err := post(t, pool, ledger.Transfer("more than there is", noon, wallet, ledger.USDT(61))); err == nil {
		t.Error("more left the wallet than it held")
	}
	mixed := ledger.Entry{Kind: "receipt", Ref: "mixed", At: noon, Postings: []ledger.Posting{
		{Account: ledger.Account{Kind: ledger.KindReceived, Owner: wallet}, Amount: -5},
		{Account: ledger.Account{Kind: ledger.KindTRXWallet, Owner: wallet}, Amount: 5},
	}}
	if _, err := post(t, pool, mixed); err == nil || !strings.Contains(err.Error(), "off balance") {
		t.Errorf("USDT became TRX: %v", err)
	}
	held, err := ledger.Balances(t.Context(), pool, wallet)
	if err != nil || held[ledger.KindWallet] != ledger.USDT(60) || held[ledger.KindTRXWallet] != 16_655_000 ||
		held[ledger.KindSent] != ledger.USDT(40) || held[ledger.KindTRXBurnt] != 13_345_000 {
		t.Errorf("%v, %v", held, err)
	}
	wantSound(t, pool, 3)
	var wrong int
	err = pool.QueryRow(t.Context(), `SELECT count(*) FROM account WHERE (asset = 'TRX') <> starts_with(kind, 'trx_')`).Scan(&wrong)
	if err != nil || wrong > 0 {
		t.Errorf("%d accounts are of the wrong asset, %v", wrong, err)
	}
}
