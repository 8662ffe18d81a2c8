package db_test

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

// Every program grants when it starts, and a command may start while a
// coordinator does.
func TestGrantsAtOnce(t *testing.T) {
	owner := dbtest.URL(t)
	program := dbtest.ProgramURL(t, owner)
	var programs errgroup.Group
	for range 4 {
		programs.Go(func() error {
			for range 5 {
				if err := db.Grant(t.Context(), owner, program); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := programs.Wait(); err != nil {
		t.Error(err)
	}
}

// A coordinator that makes its first partitions changes the same rows of the
// catalogue, and takes no turn.
func TestGrantBesideAChangeOfTheSchema(t *testing.T) {
	owner := dbtest.URL(t)
	program := dbtest.ProgramURL(t, owner)
	pool, err := db.Open(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "GRANT SELECT ON sample TO lucid_program"); err != nil {
		t.Fatal(err)
	}
	granted := make(chan error, 1)
	go func() { granted <- db.Grant(t.Context(), owner, program) }()
	for waits := false; !waits; {
		const waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
		if err := pool.QueryRow(t.Context(), waiting).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-granted; err != nil {
		t.Error(err)
	}
}
