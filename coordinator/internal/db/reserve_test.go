package db_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

// Whoever comes when the server has no connection left to give finds those that
// stand, and no more.
func TestReservedConnectionsStand(t *testing.T) {
	owner := dbtest.URL(t)
	all, err := db.Open(t.Context(), dbtest.ProgramURL(t, owner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Close)
	own, err := db.Reserve(t.Context(), all, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	for limit := time.Now().Add(time.Minute); own.Stat().IdleConns() < 2; {
		if time.Now().After(limit) {
			t.Fatalf("%d connections stand, want 2", own.Stat().IdleConns())
		}
		runtime.Gosched()
	}
	server, err := db.Open(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	var name string
	if err := server.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Exec(t.Context(), fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT 0", name)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		conn, err := own.Acquire(t.Context())
		if err != nil {
			t.Fatalf("one that should stand: %v", err)
		}
		t.Cleanup(conn.Release)
		if err := conn.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := own.Acquire(t.Context()); db.Code(err) != "53300" {
		t.Errorf("one more on a full server: %v, want too many connections", err)
	}
}
