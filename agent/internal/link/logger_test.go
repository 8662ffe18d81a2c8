package link

import (
	"context"
	"log/slog"
	"sync"
)

// warnings is a slog handler that closes a channel at the first warning.
type warnings struct {
	once *sync.Once
	seen chan<- struct{}
}

func onWarn(seen chan<- struct{}) *slog.Logger {
	return slog.New(warnings{new(sync.Once), seen})
}

func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (w warnings) Handle(context.Context, slog.Record) error {
	w.once.Do(func() { close(w.seen) })
	return nil
}

func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

func (w warnings) WithGroup(string) slog.Handler { return w }
