package coordinator

import (
	"net/url"
	"time"

	"lucid.internal/coordinator/internal/hostname"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/rail"
	"lucid.internal/coordinator/internal/tron"
)

// Rails.
const (
	RailManual = "manual"
	RailTRON   = "tron"
)

// TronConfig says how payouts are sent over TRON: docs/tron.md.
type TronConfig struct {
	Network        string        `toml:"network" env:"LUCID_TRON_NETWORK" default:"mainnet" help:"mainnet, nile, shasta or private. The nodes are asked whether they belong to it."`
	APIURLs        []string      `toml:"api_urls" env:"LUCID_TRON_API_URLS" help:"Full nodes, https://host: the first is asked, transactions go to all of them."`
	SolidityURLs   []string      `toml:"solidity_urls" env:"LUCID_TRON_SOLIDITY_URLS" help:"Two nodes of different operators that tell what is final; nothing is believed that only one says. Empty: the two of api_urls."`
	Contract       string        `toml:"contract" env:"LUCID_USDT_CONTRACT" default:"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t" help:"Contract of USDT; that of mainnet is the default."`
	Wallet         string        `toml:"wallet" env:"LUCID_TRON_WALLET" help:"File of the encrypted key, made by lucid-coordinator wallet create. Empty: DIR/tron-wallet.json."`
	Passphrase     Secret        `toml:"wallet_passphrase" env:"LUCID_TRON_WALLET_PASSPHRASE" help:"Passphrase of the wallet file."`
	Signer         string        `toml:"signer" env:"LUCID_TRON_SIGNER" help:"Command that signs instead of the wallet file, with its arguments."`
	SignerAddress  string        `toml:"signer_address" env:"LUCID_TRON_SIGNER_ADDRESS" help:"Address that the signer signs for."`
	TRXPrice       ledger.Amount `toml:"trx_price_usdt" env:"LUCID_TRON_TRX_PRICE_USDT" default:"0" help:"Price of a TRX; while it is 0 or too old, no payout begins."`
	TRXPriceAt     string        `toml:"trx_price_at" env:"LUCID_TRON_TRX_PRICE_AT" help:"Day of that price, like 2026-03-01."`
	TRXPriceMaxAge time.Duration `toml:"trx_price_max_age" env:"LUCID_TRON_TRX_PRICE_MAX_AGE" default:"168h" help:"Age from which the price is too old."`
	MaxCostPercent int           `toml:"max_cost_percent" env:"LUCID_TRON_MAX_COST_PERCENT" default:"0" help:"Percent of a payout that sending it may cost beyond its fee, 0 to 25; what costs more waits."`
}

// solidityURLs are the two nodes that tell what is final.
func (c TronConfig) solidityURLs() []string {
	if len(c.SolidityURLs) > 0 {
		return c.SolidityURLs
	}
	return c.APIURLs
}

// costRule is what sending may cost.
func (c TronConfig) costRule() rail.CostRule {
	day, _ := time.Parse(time.DateOnly, c.TRXPriceAt)
	return rail.CostRule{TRXPrice: c.TRXPrice, PriceAt: day, MaxAge: c.TRXPriceMaxAge, SharePercent: c.MaxCostPercent}
}

// checkTron checks what the rail needs, once it is chosen.
func (l *loader) checkTron() {
	c := &l.config.Tron
	chosen := l.config.Payout.Rail
	l.require(chosen == RailManual || chosen == RailTRON, "payout.rail", "%q is not %s or %s", chosen, RailManual, RailTRON)
	l.require(rail.KnownNetwork(c.Network), "tron.network", "%q is not mainnet, nile, shasta or private", c.Network)
	_, err := tron.ParseAddress(c.Contract)
	l.require(err == nil, "tron.contract", "%q is no TRON address", c.Contract)
	l.require(c.SignerAddress == "" || tron.CheckAddress(c.SignerAddress) == nil, "tron.signer_address", "%q is no TRON address", c.SignerAddress)
	l.require((c.Signer == "") == (c.SignerAddress == ""), "tron.signer", "goes with tron.signer_address: set both or none")
	l.between("tron.max_cost_percent", c.MaxCostPercent, 0, rail.MaxCostPercent)
	l.lasts("tron.trx_price_max_age", c.TRXPriceMaxAge, time.Hour, 90*24*time.Hour)
	_, err = time.Parse(time.DateOnly, c.TRXPriceAt)
	l.require(c.TRXPrice >= 0, "tron.trx_price_usdt", "%s is below 0", c.TRXPrice)
	l.require(err == nil || c.TRXPriceAt == "" && c.TRXPrice == 0, "tron.trx_price_at", "%q is no day like 2026-03-01, and a price needs one", c.TRXPriceAt)
	if chosen != RailTRON {
		return
	}
	l.require(c.Network == "mainnet" || c.Contract != tron.USDT, "tron.contract", "is that of mainnet, but tron.network is %s", c.Network)
	l.require(len(c.APIURLs) > 0, "tron.api_urls", "is empty, but payout.rail is %s", RailTRON)
	l.checkNodes("tron.api_urls", c.APIURLs)
	l.checkNodes("tron.solidity_urls", c.SolidityURLs)
	solid := c.solidityURLs()
	l.require(len(solid) == 2 && hostOf(solid[0]) != hostOf(solid[1]), "tron.solidity_urls", "it takes two nodes of different operators; there are %d", len(solid))
}

func (l *loader) checkNodes(key string, urls []string) {
	for _, text := range urls {
		u, err := url.Parse(text)
		ok := err == nil && u.Host != "" && u.RawQuery == "" && (u.Scheme == "https" || u.Scheme == "http" && (hostname.Loopback(u.Hostname()) || l.config.Tron.Network == "private"))
		l.require(ok, key, "one is not https://host, which it must be but for a private network and loopback") // it may hold an access key
	}
}

// hostOf is what a URL's node is called.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
