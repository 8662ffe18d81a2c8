package rail

import (
	"encoding/hex"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

// genesis are the ids of the first blocks of the public networks.
var genesis = map[string]string{
	"mainnet": "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc",
	"nile":    "0000000000000000d698d4192c56cb6be724a558448e2684802de4d6cd8690dc",
	"shasta":  "0000000000000000de1aa88295e1fcf982742f773e0419c5a9c134c994a9059e",
}

func TestNodesMustBelongToTheConfiguredNetwork(t *testing.T) {
	w := newWorld(t, 1)
	for configured := range genesis {
		for actual, id := range genesis {
			raw, err := hex.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			w.network, w.chain.Genesis = configured, tron.BlockID(raw)
			w.restart(-1, false)
			_, err = w.runner.heads(t.Context())
			switch {
			case configured == actual && err != nil:
				t.Errorf("%s is refused: %v", configured, err)
			case configured != actual && (err == nil || !strings.Contains(err.Error(), "belongs to another network than "+configured)):
				t.Errorf("nodes of %s serve for %s: %v", actual, configured, err)
			}
		}
	}
}

// What a transaction was expected to cost and what it did stand beside it: twice
// the energy to an address that never held the token.
func TestAttemptTellsWhatItWasToCostAndDid(t *testing.T) {
	w := newFunded(t)
	for _, want := range []struct {
		number byte
		energy int64
	}{{1, chaintest.EnergyNew}, {2, chaintest.Energy}} {
		id := w.owe(want.number, ledger.USDT(100))
		w.moveTo(id, 9) // unknown to the token at first, known then
		w.run(20, 3)
		w.wantStatus(id, payout.Completed)
		var estimate, energy, fee int64
		err := w.pool.QueryRow(t.Context(), `SELECT estimate_sun, energy, fee_sun FROM rail_attempt JOIN payout USING (payout_no) WHERE payout_id = $1`, id).Scan(&estimate, &energy, &fee)
		if err != nil {
			t.Fatal(err)
		}
		// 350 bytes are estimated, 345 are counted by the chain.
		if estimate != want.energy*100+350_000 || energy != want.energy || fee != want.energy*100+345_000 {
			t.Errorf("%s: %d sun expected, %d energy and %d sun taken, want %d energy", id, estimate, energy, fee, want.energy)
		}
	}
	w.wantEven()
}
