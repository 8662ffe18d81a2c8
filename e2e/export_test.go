package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

// TestExportIsVerifiedOffline has three nodes earn, exports it by the command
// and verifies the file when coordinator and database are gone; then with one
// digit of a share altered, which is found and named.
func TestExportIsVerifiedOffline(t *testing.T) {
	l := start(t, harness.Options{
		Args: []string{"--epoch", "5s", "--poot-interval", "2s", "--reward", "1.000003"},
		Env:  []string{"LUCID_POOT_DIFFICULTY=4"},
	})
	const nodes = 3
	for range nodes {
		s := l.connect(l.node())
		if err := s.Prove(within(t, patience), func(error) {}); err != nil { // one that came too late is asked again
			t.Fatal(err)
		}
	}
	l.await(within(t, patience), "an epoch in which all of them earn", func(ctx context.Context) error {
		n, err := l.Database().Int64(ctx, `SELECT count(*) FROM (SELECT FROM statement_line WHERE share > 0 GROUP BY epoch_no HAVING count(*) = $1) e`, nodes)
		return unless(err == nil && n > 0, "there is none, %v", err)
	})
	file := filepath.Join(t.TempDir(), "export.jsonl")
	export := []string{"export", "--data", l.Data, "--from", "2026-01-01T00:00:00Z", "--to", time.Now().UTC().Format(time.RFC3339Nano), "--file", file}
	if out, err := l.Run(within(t, patience), export...); err != nil {
		t.Fatal(out, err)
	}
	l.stopCleanly()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	count := func(record string) int { return bytes.Count(text, []byte(`{"record":"`+record+`"`)) }
	want := fmt.Sprintf("%d epochs, %d lines and %d ledger entries, all recomputed", count("epoch"), count("line"), count("entry"))
	if out, err := l.Run(within(t, patience), "verify", file); err != nil || !strings.Contains(out, want) {
		t.Errorf("verify: %q, %v; want %q", out, err, want)
	}

	number, told := alterShare(t, file, text)
	out, err := l.Run(within(t, patience), "verify", file)
	if err == nil || out != "" || !strings.Contains(err.Error(), fmt.Sprintf("line %d: ", number)) || !strings.Contains(err.Error(), told) {
		t.Errorf("verify after a digit of line %d was altered: %q, %v; want %q", number, out, err, told)
	}
}

// alterShare raises the last digit of the export's first share above zero, or
// lowers a 9, and gives the number of its line and what is to be said of it.
func alterShare(t *testing.T, file string, text []byte) (number int, told string) {
	t.Helper()
	at := regexp.MustCompile(`"share":(0\.\d{0,5}[1-9])`).FindSubmatchIndex(text)
	if at == nil {
		t.Fatalf("nobody earned:\n%s", text)
	}
	share := string(text[at[2]:at[3]])
	altered := bytes.Clone(text)
	if altered[at[3]-1]++; altered[at[3]-1] > '9' {
		altered[at[3]-1] = '8'
	}
	if err := os.WriteFile(file, altered, 0o600); err != nil {
		t.Fatal(err)
	}
	return 1 + bytes.Count(text[:at[0]], []byte("\n")), fmt.Sprintf("share is %s, its evidence gives %s", altered[at[2]:at[3]], share)
}
