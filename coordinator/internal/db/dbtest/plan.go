package dbtest

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
)

// Statement is what was sent to the database.
type Statement struct {
	SQL  string
	Args []any
}

// Recorder keeps every statement that goes through its connections.
type Recorder struct {
	mu   sync.Mutex
	sent []Statement
}

// Record gives a pool on p's database whose statements are kept.
func Record(t testing.TB, p *db.Pool) (*db.Pool, *Recorder) {
	t.Helper()
	r := &Recorder{}
	config := p.Config()
	config.ConnConfig.Tracer = r
	watched, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watched.Close)
	return watched, r
}

// TraceQueryStart is pgx's way to tell of a statement.
func (r *Recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, Statement{withoutComments(d.SQL), d.Args})
	return ctx
}

// TraceQueryEnd completes pgx.QueryTracer.
func (*Recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Take gives what was sent since the last time.
func (r *Recorder) Take() []Statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

// withoutComments takes off the lines that sqlc puts before a statement.
func withoutComments(sql string) string {
	for strings.HasPrefix(sql, "--") {
		_, sql, _ = strings.Cut(sql, "\n")
	}
	return strings.TrimSpace(sql)
}

// planOf is how Postgres would run a statement.
func planOf(t testing.TB, p *db.Pool, s Statement) string {
	t.Helper()
	rows, err := p.Query(t.Context(), "EXPLAIN (COSTS OFF) "+s.SQL, s.Args...)
	if err != nil {
		t.Fatalf("%v in %s", err, s.SQL)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%v in %s", err, s.SQL)
	}
	return strings.Join(lines, "\n")
}

// bigTable is from how many rows on a table must not be read whole.
const bigTable = 1000

// bigTables are those with so many rows, as the last ANALYZE found.
func bigTables(t testing.TB, p *db.Pool) []string {
	t.Helper()
	rows, err := p.Query(t.Context(), "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= $1", bigTable)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		t.Fatalf("no big table: %v; fill some and ANALYZE", err)
	}
	return names
}

var scanned = regexp.MustCompile(`Seq Scan on (\w+)`)

// WantIndexes fails for each of the statements that reads a whole table of
// 1,000 rows or more, and gives how many were explained: what changes tables
// and what only looks at the session is passed over.
func WantIndexes(t testing.TB, p *db.Pool, what string, statements ...Statement) (explained int) {
	t.Helper()
	big := bigTables(t, p)
	for _, s := range statements {
		verb, _, _ := strings.Cut(s.SQL, " ")
		if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "WITH"}, strings.ToUpper(strings.TrimSpace(verb))) {
			continue
		}
		explained++
		plan := planOf(t, p, s)
		for _, found := range scanned.FindAllStringSubmatch(plan, -1) {
			if slices.Contains(big, found[1]) {
				t.Errorf("%s reads all of %s:\n%s %v\n%s", what, found[1], s.SQL, s.Args, plan)
			}
		}
	}
	return explained
}
