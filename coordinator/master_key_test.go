package coordinator

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/proof"
)

// TestMasterKeyIsRotatedUnderARunningFleet: a leader with a connected node, a
// standby with a data folder of its own. Nothing is lost, and the old key opens
// nothing any more.
func TestMasterKeyIsRotatedUnderARunningFleet(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	l.call("POST", "/webhooks", `{"type": "webhook", "url": "https://ops.example/lucid"}`, 201, nil)

	folder, old := t.TempDir(), l.keyFile(l.Config.DataDir)
	l.must(os.WriteFile(filepath.Join(folder, MasterKeyFile), []byte(old), 0o600))
	config := l.Config
	config.DataDir = folder
	standby, err := OpenFoundation(t.Context(), config, slog.New(slog.DiscardHandler))
	l.must(err)
	t.Cleanup(standby.Close)
	puzzles := l.puzzleKey

	d.connect()
	l.await("active", "proven")
	told := make(chan string, 100)
	done := make(chan error, 1)
	go func() { done <- l.RotateMaster(t.Context(), func(line string) { told <- line }) }()
	for line := range told {
		if strings.Contains(line, "copy master.key there") {
			l.must(os.WriteFile(filepath.Join(folder, MasterKeyFile), []byte(l.keyFile(l.Config.DataDir)), 0o600))
			l.must(standby.ring.RunOnce(t.Context()))
		}
		if strings.Contains(line, "does not seal with the new key yet") {
			l.must(standby.ring.RunOnce(t.Context()))
		}
		if strings.HasPrefix(line, "done") {
			break
		}
	}
	l.must(<-done)
	l.must(standby.ring.RunOnce(t.Context()))
	present := l.keyFile(l.Config.DataDir)
	if present == old || strings.Count(present, "\n") != 1 || l.keyFile(folder) != present {
		t.Error("the two folders do not hold the new key alone")
	}

	for name, f := range map[string]*Foundation{"the leader": l.Foundation, "the standby": standby} {
		if _, _, err := f.Nodes.LiveKeys(t.Context(), d.id); err != nil {
			t.Errorf("%s: the node's keys: %v", name, err)
		}
	}
	again, err := OpenFoundation(t.Context(), l.Config, slog.New(slog.DiscardHandler))
	l.must(err)
	t.Cleanup(again.Close)
	if again.puzzleKey != puzzles || again.Authority.Pin() != l.Authority.Pin() || again.EnrolmentKey() != l.EnrolmentKey() {
		t.Error("what is sealed is not what it was: open challenges would be judged wrong, devices would not know their coordinator")
	}
	d.cut()
	l.await("active", "proven", offline)
	d.connect()
	l.await("active", "proven", online)

	l.must(os.WriteFile(filepath.Join(folder, MasterKeyFile), []byte(old), 0o600))
	if _, err := OpenFoundation(t.Context(), config, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "copy master.key from") {
		t.Errorf("started with the old key: %v", err)
	}
}

func (l *life) keyFile(folder string) string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, MasterKeyFile))
	l.must(err)
	return string(text)
}

// Every column of boxes is known to the rotation and guarded by the database:
// one that is forgotten could be opened by nobody afterwards.
func TestEveryBoxIsSealedAnewByARotation(t *testing.T) {
	pool := dbtest.New(t)
	known := map[string]bool{}
	for _, table := range sealedTables() {
		known[table.Name+"."+table.Box] = true
	}
	rows, err := pool.Query(t.Context(), `SELECT c.table_name || '.' || c.column_name, EXISTS (
			SELECT FROM information_schema.triggers g WHERE g.event_object_table = c.table_name AND g.action_statement LIKE '%refuse_rotated_key(''' || c.column_name || ''')%')
		FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.data_type = 'bytea' AND c.column_name ~ '(^|_)box$'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var column string
		var guarded bool
		if err := rows.Scan(&column, &guarded); err != nil {
			t.Fatal(err)
		}
		count++
		if !known[column] || !guarded {
			t.Errorf("%s holds boxes: sealedTables names it %t, a trigger guards it %t", column, known[column], guarded)
		}
	}
	if count != len(known) {
		t.Errorf("%d columns, and %d tables in sealedTables", count, len(known))
	}
}

// Keys stand in no output: whatever is printed of the settings or of keys.
func TestMasterKeyIsNotPrinted(t *testing.T) {
	key := proof.Key{0xab}
	config := Config{MasterKey: "abababababababababababababababababababababababababababababababab"}
	var b strings.Builder
	if err := config.Print(&b, Origins{}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s", key, config, config.MasterKey, key)
	if text := b.String(); strings.Contains(text, "abababab") || strings.Contains(text, "171") {
		t.Errorf("printed:\n%s", text)
	}
}
