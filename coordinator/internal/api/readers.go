package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

// readers bounds how many requests read at once: each takes a connection to the
// database, or several one after another, and a few hundred wide charts would
// leave none to ingest, nor to whoever has to stop something.
type readers struct {
	places chan struct{}
	wait   time.Duration // for a place, before a request is refused
}

const defaultReaders = 10

// readerWait is longer than short trouble, and shorter than a request's time.
const readerWait = 3 * time.Second

func newReaders(most int) readers { return readers{make(chan struct{}, most), readerWait} }

// enter waits for a place, which leave gives back.
func (r readers) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-r.places }
	select {
	case r.places <- struct{}{}:
		return leave, nil
	default:
	}
	patience := time.NewTimer(r.wait)
	defer patience.Stop()
	select {
	case r.places <- struct{}{}:
		return leave, nil
	case <-patience.C:
		return nil, fault.Wrap(fault.RateLimited, access.TooSoon{Wait: r.wait},
			"%d requests are being read for already, as many as may be at once; wait as Retry-After says", cap(r.places))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reads reports whether an operation takes a reader's place. A stream would
// hold it, and machines that probe must be answered.
func (o operation) reads() bool { return o.method == http.MethodGet && !o.stream && !o.probe }

// amongReaders runs a handler in a reader's place. Its answer is written after
// the place was given back, however slowly its caller takes it.
func amongReaders[I, O any](s *server, handle func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		leave, err := s.readers.enter(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
		return handle(ctx, in)
	}
}
