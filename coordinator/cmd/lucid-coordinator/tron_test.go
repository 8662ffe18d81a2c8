package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

// setTron sets a rail over a chain of its own, with a signer that is never asked.
func setTron(t *testing.T) {
	t.Helper()
	contract, err := tron.ParseAddress(tron.USDT)
	if err != nil {
		t.Fatal(err)
	}
	chain, urls := chaintest.New(1, contract, time.Now()), make([]string, 2)
	for i := range urls {
		server := httptest.NewServer(chain.Node())
		t.Cleanup(server.Close)
		urls[i] = server.URL
	}
	t.Setenv("LUCID_TRON_NETWORK", "private")
	t.Setenv("LUCID_TRON_API_URLS", strings.Join(urls, ","))
	t.Setenv("LUCID_TRON_SIGNER", "/bin/false")
	t.Setenv("LUCID_TRON_SIGNER_ADDRESS", "TV6MuMXfmLbBqPZvBHdwFsDnQeVfnmiuSi")
}

// The wallet is made once, by whoever knows its passphrase, and its address and
// the state of the rail can be seen without.
func TestWalletCommands(t *testing.T) {
	s := newShell(t)
	s.run("", "rail", "status") // there is no rail, which is no error
	s.run("correct horse battery\n", "wallet", "create", "--passphrase-stdin")
	path := filepath.Join(os.Getenv("LUCID_DATA_DIR"), "tron-wallet.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if code := run([]string{"wallet", "create", "--passphrase-stdin"}); code == 0 {
		t.Error("the wallet was made twice")
	}
	if again, _ := os.ReadFile(path); string(again) != string(text) {
		t.Error("the wallet was written over")
	}
	s.run("", "wallet", "address")
	s.run("", "rail", "status")
	if code := run([]string{"wallet", "check"}); code == 0 {
		t.Error("the key opens without passphrase")
	}
	t.Setenv("LUCID_TRON_WALLET_PASSPHRASE", "correct horse battery")
	s.run("", "wallet", "check")
	if strings.Contains(string(text), "correct horse") || !strings.Contains(string(text), `"argon2id"`) {
		t.Error("the wallet file tells its passphrase, or not how it is locked")
	}
	if code := run([]string{"rail", "match", strings.Repeat("a", 64)}); code == 0 {
		t.Error("an outflow is matched with nothing")
	}
}
