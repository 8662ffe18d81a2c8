package main

import (
	"encoding/csv"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// TestStatementsAsCSVAreTheAPIsOwn: page for page the same bytes, under one heading.
func TestStatementsAsCSVAreTheAPIsOwn(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home", "--reward", "1.5")
	nodeID := f.made("node_id", "nodes", "create", "attic-pi", "--pool", poolID)
	for _, sql := range []string{
		`INSERT INTO epoch (pool_no, starts_at, ends_at, reward, closed_at)
			SELECT pool_no, '2026-05-04T10:00:00Z'::timestamptz + i * interval '1h', '2026-05-04T11:00:00Z'::timestamptz + i * interval '1h', 0, now()
			FROM pool, generate_series(1, 130) i WHERE reward_per_epoch > 0`,
		`INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
			SELECT epoch_no, node_no, 3600000, 0, 0, 'null', 0, 0, 'held', '{no_score,new}' FROM epoch, node`,
	} {
		if _, err := f.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) (body, link string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", f.keys[access.Admin])
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response.Status, err)
		}
		return string(text), strings.TrimSuffix(strings.TrimPrefix(response.Header.Get("Link"), "<"), `>; rel="next"`)
	}
	first, link := read("/api/v1/nodes/" + nodeID + "/statements?format=csv&limit=100")
	second, end := read(link)
	heading, rest, _ := strings.Cut(second, "\n")
	if end != "" || !strings.HasPrefix(first, heading+"\n") || strings.Count(rest, "\n") != 30 {
		t.Fatalf("the API's second page is %q, and then %q", second, end)
	}
	if o := f.run("statements", nodeID, "--all", "-o", "csv"); o.out != first+rest {
		t.Errorf("all of it: %+v", o)
	}
	if o := f.run("statements", nodeID, "-o", "csv"); o.out != first || !strings.Contains(o.notes, "only the first 100") {
		t.Errorf("the first 100: %+v", o)
	}
	if o := f.run("statements", nodeID, "--end", "2026-05-04T10:00:00Z", "-o", "csv"); o.out != heading+"\n" {
		t.Errorf("before the first epoch there is %+v", o)
	}
}

func TestStatementsTellTheEvidenceAndTheHead(t *testing.T) {
	f := newFleet(t)
	poolID := f.made("pool_id", "pools", "create", "home", "--reward", "1.5")
	nodeID := f.made("node_id", "nodes", "create", "attic-pi", "--pool", poolID)
	for _, sql := range []string{
		`UPDATE pool_membership SET from_at = '2026-05-04T09:00:00Z'`,
		`INSERT INTO epoch (pool_no, starts_at, ends_at, reward, closed_at)
			SELECT pool_no, '2026-05-04T10:00:00Z', '2026-05-04T11:00:00Z', 0, now() FROM pool WHERE reward_per_epoch > 0`,
		`INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
			SELECT epoch_no, node_no, 3600000, 0, 0, 'null', 0, 0, 'held', '{no_score}' FROM epoch, node`,
	} {
		if _, err := f.db.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	o := f.run("statements", nodeID, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(o.out)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v: %+v", err, o)
	}
	cell := func(column string) string { return rows[1][slices.Index(rows[0], column)] }
	if cell("share") != "0" || cell("entry_id") != "" || !strings.Contains(cell("evidence"), `"membership":[{"from":"2026-05-04T09:00:00Z"`) {
		t.Errorf("%q", rows[1])
	}
	if !strings.Contains(o.notes, "the ledger ends with entry 0, 0000") {
		t.Errorf("notes %s", o.notes)
	}
	if o := f.run("statements", nodeID, "--end", "2026-05-04T10:00:00Z", "-o", "json"); o.out != "[]\n" {
		t.Errorf("before the epoch there is %+v", o)
	}
	if o := f.run("statements", nodeID, "--start", "2026-05-04T10:00:00Z", "--end", "2026-05-04T10:00:00Z"); o.code != exitUsage {
		t.Errorf("of no time at all: %+v", o)
	}
}
