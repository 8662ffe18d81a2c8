package coordinator

import (
	"strings"
	"testing"
)

// What the rail needs is asked for before anything starts, and no fault tells a URL.
func TestTronSettings(t *testing.T) {
	good := map[string]string{
		"LUCID_DATABASE_URL": "postgres://x", "LUCID_PAYOUT_RAIL": "tron",
		"LUCID_TRON_API_URLS": "https://one.example/key-1,https://two.example/key-2", "LUCID_TRON_TRX_PRICE_USDT": "0.3", "LUCID_TRON_TRX_PRICE_AT": "2026-03-01",
	}
	for name, c := range map[string]struct{ change, value, wrong string }{
		"as it should be":          {"", "", ""},
		"another rail":             {"LUCID_PAYOUT_RAIL", "pigeon", "payout.rail"},
		"another network":          {"LUCID_TRON_NETWORK", "ropsten", "tron.network"},
		"mainnet's USDT elsewhere": {"LUCID_TRON_NETWORK", "nile", "tron.contract"},
		"a contract that is none":  {"LUCID_USDT_CONTRACT", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u", "tron.contract"},
		"no nodes":                 {"LUCID_TRON_API_URLS", "", "tron.api_urls"},
		"one node twice":           {"LUCID_TRON_SOLIDITY_URLS", "https://one.example/key-1,https://one.example/key-2", "different operators"},
		"one that tells all":       {"LUCID_TRON_SOLIDITY_URLS", "https://one.example/key-1", "different operators"},
		"in the clear":             {"LUCID_TRON_API_URLS", "http://one.example/key-1,https://two.example", "tron.api_urls"},
		"a price of no day":        {"LUCID_TRON_TRX_PRICE_AT", "yesterday", "tron.trx_price_at"},
		"a cost beyond a quarter":  {"LUCID_TRON_MAX_COST_PERCENT", "26", "tron.max_cost_percent"},
		"a signer of nobody":       {"LUCID_TRON_SIGNER", "/usr/bin/sign", "tron.signer"},
	} {
		var environment []string
		for k, v := range good {
			if k == c.change {
				continue
			}
			environment = append(environment, k+"="+v)
		}
		if c.change != "" {
			environment = append(environment, c.change+"="+c.value)
		}
		_, _, err := Load(ProfileServe, "", environment, nil)
		switch {
		case c.wrong == "" && err != nil, c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %v, want %q", name, err, c.wrong)
		case err != nil && strings.Contains(err.Error(), "key-1"):
			t.Errorf("%s: the fault tells an access key: %v", name, err)
		}
	}
}
