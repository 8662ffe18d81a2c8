package api

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

// readers bounds how many requests read at once: each takes a connection to the
// database, or several one after another, and a few hundred wide charts would
// leave none to ingest, nor to whoever has to stop something. One caller has half
// of the places at most, so that his charts leave some to whoever has to look.
type readers struct {
	places chan struct{}
	wait   time.Duration // for a place, before a request is refused
	shares *shares
}

const defaultReaders = 10

// readerWait is longer than short trouble, and shorter than a request's time.
const readerWait = 3 * time.Second

func newReaders(most int) readers {
	return readers{make(chan struct{}, most), readerWait, &shares{most: (most + 1) / 2, of: map[string]*share{}}}
}

// enter waits for a place of the caller's share, then for one of all, which leave
// gives back.
func (r readers) enter(ctx context.Context, caller string) (leave func(), err error) {
	patience := time.NewTimer(r.wait)
	defer patience.Stop()
	own := r.shares.join(caller)
	if err := r.take(ctx, own.places, patience, "for one caller"); err != nil {
		r.shares.part(caller, own)
		return nil, err
	}
	giveBack := func() {
		<-own.places
		r.shares.part(caller, own)
	}
	if err := r.take(ctx, r.places, patience, "for all"); err != nil {
		giveBack()
		return nil, err
	}
	return func() { <-r.places; giveBack() }, nil
}

func (r readers) take(ctx context.Context, places chan<- struct{}, patience *time.Timer, whose string) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-patience.C:
		return fault.Wrap(fault.RateLimited, access.TooSoon{Wait: r.wait},
			"%d requests are being read for already, as many as may be at once %s; wait as Retry-After says", cap(places), whose)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shares are the places of each caller who reads or waits to.
type shares struct {
	most int // of one caller

	mu sync.Mutex
	of map[string]*share
}

type share struct {
	places   chan struct{}
	requests int // that have one or wait for one
}

func (s *shares) join(caller string) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.of[caller]
	if own == nil {
		own = &share{places: make(chan struct{}, s.most)}
		s.of[caller] = own
	}
	own.requests++
	return own
}

func (s *shares) part(caller string, own *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.requests--; own.requests == 0 {
		delete(s.of, caller)
	}
}

// reads reports whether an operation takes a reader's place. A stream would
// hold it, and machines that probe must be answered.
func (o operation) reads() bool { return o.method == http.MethodGet && !o.stream && !o.probe }

// amongReaders runs a handler in a reader's place. Its answer is written after
// the place was given back, however slowly its caller takes it.
func amongReaders[I, O any](s *server, handle func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		call := callOf(ctx)
		leave, err := s.readers.enter(ctx, cmp.Or(call.principal.ID, call.address.String()))
		if err != nil {
			return nil, err
		}
		defer leave()
		return handle(ctx, in)
	}
}
