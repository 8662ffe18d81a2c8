package payout_test

import (
	"strings"
	"testing"

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
