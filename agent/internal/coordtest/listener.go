package coordtest

import (
	"crypto/tls"
	"log/slog"
	"net"
	"sync"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// listener counts who connects before the server can be waiting for their end.
// The library's own leave the counting to a goroutine of each connection, which
// is a data race with Close, and Close waits for whoever is just logging in.
type listener struct {
	net.Listener
	clients *sync.WaitGroup // of the server, which waits for it when it closes

	mu     sync.Mutex
	open   map[net.Conn]chan struct{} // closed when all of the connection is over
	closed bool
}

func listen(addr string, config *tls.Config, clients *sync.WaitGroup) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	clients.Add(1) // never empty until nobody can come any more
	return &listener{Listener: l, clients: clients, open: make(map[net.Conn]chan struct{})}, nil
}

func (*listener) Init(*slog.Logger) error { return nil }
func (*listener) ID() string              { return "coordtest" }
func (*listener) Protocol() string        { return "tcp" }
func (l *listener) Address() string       { return l.Addr().String() }

// Serve accepts connections until Close.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !l.admit(c) {
			_ = c.Close()
			return
		}
		go func() {
			defer l.leave(c)
			_ = establish(l.ID(), c)
		}()
	}
}

func (l *listener) admit(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.clients.Add(1)
	l.open[c] = make(chan struct{})
	return true
}

func (l *listener) leave(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.open[c])
	delete(l.open, c)
	l.clients.Done()
}

// wait waits until the server has done all that it does at a connection's end.
func (l *listener) wait(c net.Conn) {
	l.mu.Lock()
	over, open := l.open[c]
	l.mu.Unlock()
	if open {
		<-over
	}
}

// Close ends the listener and every connection.
func (l *listener) Close(closeClients listeners.CloseFn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	_ = l.Listener.Close()
	closeClients(l.ID())
	for c := range l.open {
		_ = c.Close()
	}
	l.clients.Done()
}
