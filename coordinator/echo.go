package coordinator

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"
)

// echoTopic is what the leader calls out by, to itself.
const echoTopic = "lucid/v1/coordinators/echo"

const (
	echoInterval = 250 * time.Millisecond
	echoUsual    = 2 * echoInterval // that the newest echo is old while all is well
	echoOverdue  = time.Second
)

// echo tells how long messages wait at a broker that is not ours: MQTT does not
// say when it took one. The leader sends itself a message by the queue that
// those of nodes wait in, so whatever came before an echo was there before it,
// and what comes behind it may have been there since it was sent.
type echo struct {
	now func() time.Time

	mu    sync.Mutex
	name  string    // of our calls since begin; a predecessor's may still be in the queue
	began time.Time // zero: we have not begun to call
	heard time.Time // when the newest that came back was sent
}

// begin forgets what was heard: from now on another session is read.
func (e *echo) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.name, e.began, e.heard = rand.Text(), e.now(), time.Time{}
}

// call is the next message.
func (e *echo) call() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.name + " " + strconv.FormatInt(e.now().UnixMicro(), 10)
}

// back takes a message that came back, once everything before it was handled.
func (e *echo) back(call string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name, sent, _ := strings.Cut(call, " ")
	micros, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || name != e.name {
		return
	}
	if at := time.UnixMicro(micros); at.After(e.heard) { // one may be delivered twice
		e.heard = at
	}
}

// until is the time before which everything that nodes sent has been handled.
func (e *echo) until() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard
}

// held is how long a message may have waited that was received then; 0 when
// that is no longer than usual.
func (e *echo) held(received time.Time) time.Duration {
	if held := received.Sub(e.until()); held > echoUsual {
		return held
	}
	return 0
}

// overdue says that nothing that nodes send gets through to us, or too late.
func (e *echo) overdue() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.began
	if e.heard.After(last) {
		last = e.heard
	}
	return e.now().Sub(last) > echoOverdue
}

// callOut sends echoes until ctx ends. One that is not sent does not come back,
// which says enough.
func (r *remote) callOut(ctx context.Context) {
	ticker := time.NewTicker(echoInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := r.Publish(echoTopic, []byte(r.echo.call()), 1, false); err != nil {
			r.c.Log.Debug("no echo sent", "error", err)
		}
	}
}

// heard is the time until which everything that nodes sent has been handled. At
// our own broker it is read as it comes.
func (c *Coordinator) heard() time.Time {
	if c.remote == nil {
		return c.now()
	}
	return c.remote.echo.until()
}
