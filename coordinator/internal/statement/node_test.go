package statement_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math/big"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
)

func (w *world) statement(id string, overlap span.Interval, after int64, most int) statement.OfNode {
	w.t.Helper()
	var no int32
	w.must(w.pool.QueryRow(w.t.Context(), `SELECT node_no FROM node WHERE node_id = $1`, id).Scan(&no))
	s, err := w.archive().OfNode(w.t.Context(), no, id, overlap, after, most)
	w.must(err)
	return s
}

// Whoever has a node's statement can compute each share by the formula in its
// documentation, and finds the same line in the export.
func TestStatementOfANode(t *testing.T) {
	w := lived(t)
	s := w.statement("node_wanderer", span.Interval{From: at(0), To: at(1000)}, 0, 10)
	if len(s.Lines) != 4 || s.Next != 0 {
		t.Fatalf("%d lines, next %d; want one of each hour, and two of that in which it changed pools", len(s.Lines), s.Next)
	}
	export := w.export(at(0), at(1000))
	for _, l := range s.Lines {
		total, _ := new(big.Int).SetString(l.PoolWeight, 10)
		share := new(big.Int).Mul(big.NewInt(int64(l.PoolReward)), big.NewInt(l.Weight))
		least := ledger.Amount(share.Quo(share, total).Int64())
		if l.Share != least && l.Share != least+1 || l.Weight != l.ScoreNano*l.CreditedMs {
			t.Errorf("%s from %s: share %s, weight %d of %s of %s", l.PoolID, l.StartsAt, l.Share, l.Weight, l.PoolWeight, l.PoolReward)
		}
		line := l.Line
		line.Record = "line"
		text, err := json.Marshal(line)
		if err != nil || !bytes.Contains(export, text[:len(text)-1]) {
			t.Errorf("the export has no line %s, %v", text, err)
		}
	}
	head, err := ledger.ReadHead(t.Context(), w.pool)
	if err != nil || s.Head != head || head.No == 0 {
		t.Errorf("head %+v, %v; want %+v", s.Head, err, head)
	}
	var table bytes.Buffer
	w.must(s.WriteCSV(&table))
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 5 || rows[1][10] != s.Lines[0].Share.String() || rows[0][10] != "share" {
		t.Errorf("CSV %v, %v", rows, err)
	}
}

func TestStatementInPages(t *testing.T) {
	w := lived(t)
	whole := w.statement("node_wanderer", span.Interval{From: at(0), To: at(1000)}, 0, 10)
	var pages []statement.AccountLine
	for after := int64(0); ; {
		page := w.statement("node_wanderer", span.Interval{From: at(0), To: at(1000)}, after, 1)
		pages = append(pages, page.Lines...)
		if after = page.Next; after == 0 {
			break
		}
	}
	one, _ := json.Marshal(whole.Lines)
	other, _ := json.Marshal(pages)
	if !bytes.Equal(one, other) {
		t.Errorf("pages are %s\nthe whole is %s", other, one)
	}
	if s := w.statement("node_wanderer", span.Interval{From: at(60), To: at(61)}, 0, 10); len(s.Lines) != 2 {
		t.Errorf("%d lines overlap a minute of the second hour, want 2", len(s.Lines))
	}
}
