package broker

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Back-off between attempts to accept, when the machine is out of descriptors
// or the like.
const (
	firstAcceptDelay = 5 * time.Millisecond
	lastAcceptDelay  = time.Second
)

// listener accepts connections. It goes on after an error, cuts a client that
// does not CONNECT in time, survives a panic while a connection is served, and
// closes without asking each client.
type listener struct {
	id      string
	inner   net.Listener
	tls     *tls.Config
	broker  *Broker
	attach  func(listener string, c *conn) error // serves one until it ends
	failure atomic.Pointer[error]                // last accept error, until one succeeds
	closed  chan struct{}
	once    sync.Once
	wg      sync.WaitGroup // connections, and accept itself

	mu    sync.Mutex
	conns map[*conn]struct{} // nil once closed
}

func newListener(id string, inner net.Listener, config *tls.Config, b *Broker) *listener {
	return &listener{
		id: id, inner: inner, tls: config, broker: b, attach: b.attach,
		closed: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
}

// serve accepts until the listener is closed. It is called once.
func (l *listener) serve() { l.wg.Go(l.accept) }

func (l *listener) accept() {
	delay := firstAcceptDelay
	for {
		raw, err := l.inner.Accept()
		if err == nil {
			delay = firstAcceptDelay
			l.failure.Store(nil)
			l.start(raw)
			continue
		}
		if l.isClosed() || errors.Is(err, net.ErrClosed) {
			return
		}
		l.failed(err, delay)
		select {
		case <-l.closed:
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, lastAcceptDelay)
	}
}

func (l *listener) failed(err error, delay time.Duration) {
	l.broker.count.acceptErrors.Inc()
	if l.failure.Swap(&err) == nil {
		l.broker.cfg.Logger.Error("MQTT cannot accept connections; trying again", "error", err, "delay", delay)
		if errors.Is(err, syscall.EMFILE) {
			l.broker.warnOfFewFiles()
		}
	}
}

func (l *listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// start serves one connection on its own goroutine.
func (l *listener) start(raw net.Conn) {
	c := newConn(raw, l.tls, l.broker.cfg.WriteTimeout)
	if l.tls != nil { // else it comes from this machine, maybe for all nodes
		c.network = networkOf(raw)
	}
	if !l.broker.gate.mayConnect(c.network) {
		l.broker.count.refused[tooManyConnects].Inc()
		_ = raw.Close()
		return
	}
	// Holds until the login is done; then the keep-alive sets the deadlines.
	_ = raw.SetDeadline(time.Now().Add(l.broker.cfg.ConnectTimeout))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		_ = raw.Close()
		return
	}
	l.conns[c] = struct{}{}
	l.wg.Go(func() { l.attend(c) })
}

func (l *listener) attend(c *conn) {
	defer l.forget(c)
	defer func() {
		if p := recover(); p != nil {
			l.broker.panicked("serving a connection", p)
		}
	}()
	l.broker.count.connections.Inc()
	defer l.broker.count.connections.Dec()
	if err := l.attach(l.id, c); err != nil && c.session.Load() == nil {
		l.broker.cfg.Logger.Debug("MQTT connection ended before a login", "remote", c.RemoteAddr(), "error", err)
	}
}

func (l *listener) forget(c *conn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// close stops accepting and closes every connection.
func (l *listener) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.inner.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.conns {
			_ = c.Close()
		}
		l.conns = nil
	})
}

// wait returns when nothing of the listener runs any more.
func (l *listener) wait() { l.wg.Wait() }
