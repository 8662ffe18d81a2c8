package event

import (
	"context"
	"errors"
)

// Listener gives one reader its messages in their order, each once. It is for
// one goroutine.
type Listener struct {
	// Lost tells that the event to go on after is not known here any more: what
	// came since then may be missing, and the reader must look at the state anew.
	// It then starts with what is new, after the event Since.
	Lost  bool
	Since int64 // number of the event that it goes on after

	feed   *Feed
	filter Filter
	next   int64 // number of the last event that was read
	pages  []Message
	joined bool // live takes what the feed hands on
	level  bool // what was handed on before that has been read
	live   chan Message
	ended  error // why live was closed; written before that
}

// Listen gives what the filter selects: from now on when after is nil, else
// what comes after the event of that number. Close it in the end. The error is
// ErrFull, ErrClosed, or the database's.
func (f *Feed) Listen(ctx context.Context, filter Filter, after *int64) (*Listener, error) {
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	l := &Listener{feed: f, filter: filter, live: make(chan Message, f.buffer)}
	if after == nil {
		return l, f.join(l, true)
	}
	if err := f.room(); err != nil {
		return nil, err
	}
	first, last, err := bounds(ctx, f.pool)
	if err != nil {
		return nil, err
	}
	if l.Lost = *after+1 < first || *after > last; l.Lost {
		return l, f.join(l, true)
	}
	l.Since, l.next = *after, *after
	return l, nil
}

// room tells whether one more may listen.
func (f *Feed) room() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.roomLocked()
}

func (f *Feed) roomLocked() error {
	switch {
	case f.closed:
		return ErrClosed
	case len(f.listeners) >= f.most:
		return ErrFull
	}
	return nil
}

// join lets the listener take part in what is handed on from now on. With
// fromNow it starts there; else it has read the table up to somewhere.
func (f *Feed) join(l *Listener, fromNow bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.roomLocked(); err != nil {
		return err
	}
	f.listeners[l] = struct{}{}
	if l.filter.wantsSamples() {
		f.sampled.Add(1)
	}
	l.joined = true
	if fromNow {
		l.Since, l.next, l.level = f.position, f.position, true
	}
	return nil
}

// Next waits for the next message, until ctx ends. After any error but that of
// ctx the listener is of no more use.
func (l *Listener) Next(ctx context.Context) (Message, error) {
	for {
		if len(l.pages) > 0 {
			m := l.pages[0]
			l.pages = l.pages[1:]
			return m, nil
		}
		if !l.level {
			if err := l.catchUp(ctx); err != nil {
				return Message{}, err
			}
			continue
		}
		select {
		case m, ok := <-l.live:
			if !ok {
				return Message{}, l.ended
			}
			if m.No != 0 && m.No <= l.next {
				continue // read from the table already
			}
			return m, nil
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// catchUp reads the next page from the table. It joins the feed only when
// little is left, so that a long way behind does not fill its buffer: first it
// joins, then it reads the rest, so that nothing falls between the two.
func (l *Listener) catchUp(ctx context.Context) error {
	if !l.joined {
		if err := l.feed.room(); err != nil {
			return err
		}
		if n, err := l.readPage(ctx); err != nil || n == page {
			return err
		}
		if err := l.feed.join(l, false); err != nil {
			return err
		}
	}
	n, err := l.readPage(ctx)
	l.level = err == nil && n < page
	return err
}

// readPage reads on in the table and tells how many it found.
func (l *Listener) readPage(ctx context.Context) (int, error) {
	messages, err := after(ctx, l.feed.pool, l.next, l.filter)
	if err != nil {
		return 0, err
	}
	if len(messages) > 0 {
		l.next = messages[len(messages)-1].No
	}
	l.pages = append(l.pages, messages...)
	return len(messages), nil
}

// Close ends the listener.
func (l *Listener) Close() {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	l.feed.end(l, ErrClosed)
}

// Forward gives every message from now on to publish, one after the other,
// until ctx ends. It is for ways out that may be slow: when the feed drops it,
// it goes on after the last message that it gave.
func (f *Feed) Forward(ctx context.Context, publish func(Message)) error {
	var last *int64
	for {
		l, err := f.Listen(ctx, Filter{}, last)
		if err != nil {
			return err
		}
		since := l.Since
		last = &since
		err = l.forward(ctx, publish, last)
		l.Close()
		if !errors.Is(err, ErrSlow) {
			return err
		}
	}
}

func (l *Listener) forward(ctx context.Context, publish func(Message), last *int64) error {
	for {
		m, err := l.Next(ctx)
		if err != nil {
			return err
		}
		publish(m)
		*last = m.No
	}
}
