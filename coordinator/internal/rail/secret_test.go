package rail

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// The key stands in no table, in no line of the log and in nothing that is shown.
func TestKeyIsInNoTableLogOrStatus(t *testing.T) {
	w := newFunded(t)
	var told bytes.Buffer
	w.runner.cfg.Logger = slog.New(slog.NewJSONHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
	id := w.owe(1, ledger.USDT(100))
	for range 25 {
		if err := w.run(1, 3); err != nil {
			fmt.Fprintln(&told, err)
		}
	}
	w.wantStatus(id, payout.Completed)
	s, err := ReadStatus(t.Context(), w.pool, w.payouts, w.signer.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(&told).Encode(s); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&told, "%+v", w.runner)
	rows := 0
	for _, table := range query[[]string](w, `SELECT array_agg(tablename) FROM pg_tables WHERE schemaname = 'public'`) {
		all, err := w.pool.Query(t.Context(), `SELECT t::text FROM `+pgx.Identifier{table}.Sanitize()+` t`)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(all, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		rows += len(lines)
		told.WriteString(strings.Join(lines, "\n"))
	}
	if rows < 20 || !strings.Contains(told.String(), w.signer.Address().String()) {
		t.Fatalf("%d rows were read, which cannot be all", rows)
	}
	key := w.signer.key.Serialize()
	for _, form := range []string{string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), w.signer.key.Key.String()} {
		if strings.Contains(strings.ToLower(told.String()), strings.ToLower(form)) {
			t.Error("the key is told")
		}
	}
}
