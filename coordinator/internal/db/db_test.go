package db_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

func TestCoordinatorsThatMigrateTogetherTakeTurns(t *testing.T) {
	url := dbtest.Empty(t)
	var logs [3]bytes.Buffer
	var all sync.WaitGroup
	for i := range logs {
		all.Go(func() {
			if err := db.Migrate(t.Context(), url, slog.New(slog.NewTextHandler(&logs[i], nil))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	applied := 0
	for i := range logs {
		applied += strings.Count(logs[i].String(), "from_version=")
	}
	if applied != 1 {
		t.Errorf("%d of three migrated, want one", applied)
	}
	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "SELECT FROM sealed_secret"); err != nil {
		t.Error(err)
	}
}

func TestOpenSaysWhereWithoutThePassword(t *testing.T) {
	for name, url := range map[string]string{
		"nobody listens": "postgres://lucid:hunter2@127.0.0.1:1/lucid",
		"no such socket": "host=/nowhere user=lucid password=hunter2 dbname=lucid",
		"unreadable":     "postgres://lucid:hunter2@127.0.0.1:port/lucid",
	} {
		pool, err := db.Open(t.Context(), url)
		if err == nil {
			pool.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "database") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsOfTheURLWin(t *testing.T) {
	url := dbtest.URL(t)
	pool, err := db.Open(t.Context(), url+"&pool_max_conns=3&statement_timeout=7000&application_name=mine")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if got := pool.Config().MaxConns; got != 3 {
		t.Errorf("MaxConns = %d", got)
	}
	for name, want := range map[string]string{"statement_timeout": "7s", "application_name": "mine",
		"TimeZone": "UTC", "idle_in_transaction_session_timeout": "1min"} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestTimesAreReadAsUTC(t *testing.T) {
	pool := dbtest.New(t)
	var at time.Time
	if err := pool.QueryRow(t.Context(), "SELECT timestamptz '2026-01-02 03:04:05.678901Z'").Scan(&at); err != nil {
		t.Fatal(err)
	}
	// == compares the zone too, and time.Local is not UTC even where they agree.
	if want := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC); at != want {
		t.Errorf("read %v, want %v", at, want)
	}
}

func TestInTxRepeatsWhatPostgresAsksToRepeat(t *testing.T) {
	pool := dbtest.New(t)
	runs := 0
	insertAndFail := func(code string, failures int) error {
		runs = 0
		return db.InTx(t.Context(), pool, func(tx db.Tx) error {
			runs++
			if _, err := tx.Exec(t.Context(), "INSERT INTO sealed_secret VALUES ('a', '')"); err != nil {
				return err
			}
			if runs <= failures {
				_, err := tx.Exec(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '"+code+"'; END $$")
				return err
			}
			return nil
		})
	}
	if err := insertAndFail("40001", 100); err == nil || runs != 5 {
		t.Errorf("always failing: %v after %d runs, want an error after 5", err, runs)
	}
	if err := insertAndFail("23514", 1); err == nil || runs != 1 {
		t.Errorf("another error: %v after %d runs, want it at once", err, runs)
	}
	for _, code := range []string{"40001", "40P01"} {
		if err := insertAndFail(code, 2); err != nil || runs != 3 {
			t.Errorf("code %s: %v after %d runs, want success in the third", code, err, runs)
		}
		if tag, err := pool.Exec(t.Context(), "DELETE FROM sealed_secret"); err != nil || tag.RowsAffected() != 1 {
			t.Errorf("code %s left %v rows (%v), want one", code, tag.RowsAffected(), err)
		}
	}
}

func TestAMomentIsReadAsItWasAndOnlyRead(t *testing.T) {
	pool := dbtest.New(t)
	err := db.AtOneMoment(t.Context(), pool, func(tx db.Tx) error {
		var before, after int
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM sealed_secret").Scan(&before); err != nil {
			return err
		}
		if _, err := pool.Exec(t.Context(), "INSERT INTO sealed_secret VALUES ('a', '')"); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM sealed_secret").Scan(&after); err != nil || before != after {
			t.Errorf("%d rows, then %d, %v", before, after, err)
		}
		_, err := tx.Exec(t.Context(), "DELETE FROM sealed_secret")
		return err
	})
	if db.Code(err) != "25006" { // read_only_sql_transaction
		t.Errorf("writing: %v", err)
	}
}

func TestInTxRollsBack(t *testing.T) {
	pool := dbtest.New(t)
	no := errors.New("no")
	err := db.InTx(context.Background(), pool, func(tx db.Tx) error {
		if _, err := tx.Exec(t.Context(), "INSERT INTO sealed_secret VALUES ('a', '')"); err != nil {
			return err
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("error %v, want the function's own", err)
	}
	var rows int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM sealed_secret").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
