package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// stage is how far a connection has come.
type stage int

const (
	loggedIn stage = iota
	loggingIn
	stages
)

// errNoTurn refuses a login unseen: too many others went before it.
var errNoTurn = errors.New("the coordinator is busy with other nodes")

// desk bounds how many calls are made at once. Of those that wait, whoever is
// logged in goes first: when a whole fleet comes back, some of it is served to
// the end, and the rest is told to come again later. If each went on by a step in
// turn, all would wait at their last step until nobody waits any more.
type desk struct {
	mu      sync.Mutex
	free    int
	waiting [stages][]turnGiven // each in the order in which they came
}

// turnGiven is closed when its turn has come.
type turnGiven chan struct{}

// newDesk makes a desk for so many calls at once; nil, for any number, when it is
// 0.
func newDesk(calls int) *desk {
	if calls <= 0 {
		return nil
	}
	return &desk{free: calls}
}

// enter waits for a turn, but not beyond ctx or patience. Who got it leaves.
func (d *desk) enter(ctx context.Context, at stage, patience time.Duration) (got bool) {
	d.mu.Lock()
	if d.free > 0 {
		d.free--
		d.mu.Unlock()
		return true
	}
	given := make(turnGiven)
	d.waiting[at] = append(d.waiting[at], given)
	d.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-given:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiting[at], given) // one of the first: they came before the others
	if i < 0 {
		return true // it was given in the same moment
	}
	d.waiting[at] = slices.Delete(d.waiting[at], i, i+1)
	return false
}

// leave gives the turn on.
func (d *desk) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, waiting := range d.waiting {
		if len(waiting) > 0 {
			close(waiting[0])
			d.waiting[at] = waiting[1:]
			return
		}
	}
	d.free++
}

// call makes one of the calls that Config.Calls is about, when it has its turn.
// Waiting for that and the call itself may each take CallTimeout, and no longer
// than ctx both together. Whoever is logged in is not turned away: then the call
// is made without a turn.
func (b *Broker) call(ctx context.Context, at stage, f func(context.Context) error) error {
	if b.desk != nil {
		if b.desk.enter(ctx, at, b.cfg.CallTimeout) {
			defer b.desk.leave()
		} else if at == loggingIn {
			return errNoTurn
		}
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.CallTimeout)
	defer cancel()
	return f(ctx)
}
