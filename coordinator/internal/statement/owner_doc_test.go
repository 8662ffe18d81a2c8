package statement_test

import (
	"bytes"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// TestOwnersExample holds that docs/payouts.md shows a line as it is written,
// and that what it computes from it is so.
func TestOwnersExample(t *testing.T) {
	s := lived(t).statement("node_late", span.Interval{From: at(0), To: at(60)}, 0, 10)
	var table bytes.Buffer
	if err := s.WriteCSV(&table); err != nil || len(s.Lines) != 1 {
		t.Fatalf("%d lines, %v", len(s.Lines), err)
	}
	head, line, _ := strings.Cut(table.String(), "\n")
	shown := func(row string) string { // up to the reasons, which have no comma
		return strings.Join(strings.Split(row, ",")[:13], ",")
	}
	l := s.Lines[0]
	total, _ := new(big.Int).SetString(l.PoolWeight, 10)
	product := new(big.Int).Mul(big.NewInt(int64(l.PoolReward)*1000), big.NewInt(l.Weight))
	nano := product.Quo(product, total).Int64() // thousandths of a micro-USDT
	least := ledger.Amount(nano / 1000)
	if l.Share != least+1 {
		t.Errorf("share %s, the page says that it is one more than %s", l.Share, least)
	}
	page, err := os.ReadFile("../../../docs/payouts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		shown(head), shown(line),
		fmt.Sprintf("%d x %d = %d", l.ScoreNano, l.CreditedMs, l.ScoreNano*l.CreditedMs),
		fmt.Sprintf("%s x %d / %s = %s|%03d", l.PoolReward, l.Weight, l.PoolWeight, least, nano%1000),
		fmt.Sprintf("got one of them, %s.", l.Share),
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("docs/payouts.md does not say:\n%s", want)
		}
	}
}
