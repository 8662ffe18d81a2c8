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
