package rail

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/ledger"
)

// A forecast goes by the prices of the last run: 130,000 energy at 100 sun and
// 350 bytes at 1,000 are 13.35 TRX, at 0.30 USDT each.
func TestForecastTellsTheMostAndRefusesBelowTheLeast(t *testing.T) {
	w := newWorld(t, 1)
	at := ten
	f := NewForecast(CostRule{TRXPrice: 300_000, PriceAt: ten, MaxAge: time.Hour, SharePercent: 25}, func() time.Time { return at })
	if cost, wait := f.Of(ledger.USDT(100), ledger.USDT(1)); cost != 0 || !strings.Contains(wait, "not known") {
		t.Errorf("before any run: %s, %q", cost, wait)
	}
	w.runner.cfg.Forecast = f
	w.runOnce()
	if cost, wait := f.Of(ledger.USDT(100), ledger.USDT(1)); cost != 4_005_000 || wait != "" {
		t.Errorf("100 USDT: %s, %q; want 4.005", cost, wait)
	}
	if _, wait := f.Of(ledger.USDT(9), ledger.USDT(1)/10); wait != "" {
		t.Errorf("9 USDT, at the least 22 %%: %q", wait)
	}
	if _, wait := f.Of(ledger.USDT(7), ledger.USDT(1)/10); !strings.Contains(wait, "25 %") {
		t.Errorf("7 USDT, at the least 28 %%: %q", wait)
	}
	at = at.Add(time.Hour + 1)
	if _, wait := f.Of(ledger.USDT(100), ledger.USDT(1)); !strings.Contains(wait, "older than") {
		t.Errorf("by an old price: %q", wait)
	}
}
