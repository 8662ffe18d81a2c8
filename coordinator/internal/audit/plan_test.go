package audit

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
)

// However large the log is, a page of it is read by an index.
func TestListReadsNoWholeTable(t *testing.T) {
	pool := dbtest.New(t)
	_, err := pool.Exec(t.Context(), `ALTER TABLE audit_entry DISABLE TRIGGER ALL;
		INSERT INTO audit_entry (at, actor, action, target, request_id, prev_hash, hash)
		SELECT now() - i * interval '1 s', 'key_' || i % 50, 'a.' || i % 20, 'node_' || i % 5000, '',
			sha256(int4send(i)), sha256(int4send(i + 1)) FROM generate_series(1, 50000) i;
		ANALYZE audit_entry`)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]Filter{
		"all": {}, "cursor": {Before: 20_000}, "actor": {Actor: "key_7"}, "nobody": {Actor: "key_none"}, "action": {Action: "a.3"},
		"target": {Target: "node_9"}, "until": {Until: time.Now().Add(-13 * time.Hour)}, "since": {Since: time.Now().Add(time.Hour)},
		"all at once": {Actor: "key_7", Action: "a.7", Target: "node_7", Since: time.Now().Add(-time.Hour), Until: time.Now(), Before: 9000},
	} {
		f.Limit = 20
		query, args := f.query()
		dbtest.WantIndexes(t, pool, name, dbtest.Statement{SQL: query, Args: args})
	}
}
