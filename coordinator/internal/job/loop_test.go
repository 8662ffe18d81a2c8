package job_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lucid.internal/coordinator/internal/job"
)

func TestLoopRunsAtOnceAndThenOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		job.Loop(ctx, slog.New(slog.DiscardHandler), "test", 10*time.Second, func(context.Context) error {
			at = append(at, time.Since(began))
			return nil
		})
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("ran at %v, want %v", at, want)
		}
	})
}

func TestLoopNeverOverlapsALongRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		running, runs := 0, 0
		job.Loop(ctx, slog.New(slog.DiscardHandler), "test", 10*time.Second, func(ctx context.Context) error {
			if running++; running > 1 {
				t.Error("two runs at once")
			}
			runs++
			<-time.After(25 * time.Second)
			running--
			return nil
		})
		if runs != 3 {
			t.Errorf("%d runs of 25 s in 60 s, want 3", runs)
		}
	})
}

func TestLoopGoesOnAfterErrorsAndPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out bytes.Buffer
		run := 0
		job.Loop(ctx, slog.New(slog.NewTextHandler(&out, nil)), "rollup", time.Second, func(context.Context) error {
			switch run++; run {
			case 1, 2, 3:
				return errors.New("database away")
			case 4, 5:
				panic("bug")
			case 7:
				cancel()
				return ctx.Err()
			}
			return nil
		})
		if run != 7 {
			t.Fatalf("%d runs, want 7", run)
		}
		for part, want := range map[string]int{
			"database away": 1, "panic: bug": 1, "failed_runs=5": 1, "job=rollup": 3, "stack=": 1, "canceled": 0,
		} {
			if got := strings.Count(out.String(), part); got != want {
				t.Errorf("log has %q %d times, want %d:\n%s", part, got, want, out.String())
			}
		}
		if !strings.Contains(out.String(), "loop_test.go") {
			t.Errorf("the panic's place is not in the log:\n%s", out.String())
		}
	})
}
