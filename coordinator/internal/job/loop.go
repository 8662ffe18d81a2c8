// Package job owns when background work runs: on a timer, and in one
// coordinator only.
//
// It must never know what the work is.
package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// Loop calls runOnce at once and then every interval until ctx ends. A run
// that takes longer than interval delays the next one; runs never overlap. An
// error or a panic is logged and the next run comes as planned; the same error
// again and again is logged once, and once more when it is over.
func Loop(ctx context.Context, logger *slog.Logger, name string, interval time.Duration, runOnce func(context.Context) error) {
	log := logger.With("job", name)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var last string
	failures := 0
	for ctx.Err() == nil {
		err := guarded(ctx, runOnce)
		switch {
		case ctx.Err() != nil: // an error now only says that we stop
			return
		case err != nil:
			failures++
			if err.Error() != last {
				last = err.Error()
				log.Error("job failed", "error", err, "next_try_in", interval, stackOf(err))
			}
		case failures > 0:
			log.Info("job works again", "failed_runs", failures)
			last, failures = "", 0
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// guarded keeps a bug in one job from ending the program.
func guarded(ctx context.Context, runOnce func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{value: p, stack: debug.Stack()}
		}
	}()
	return runOnce(ctx)
}

// panicked keeps the stack out of the text, which is the same each time.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// stackOf is empty, and so left out of the line, for an ordinary error.
func stackOf(err error) slog.Attr {
	if p, ok := errors.AsType[*panicked](err); ok {
		return slog.String("stack", string(p.stack))
	}
	return slog.Attr{}
}
