package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func nobody(context.Context, string, []byte) (int32, uint32, error) {
	return 0, 0, errors.New("nobody")
}
func nothing(context.Context, Client, []byte, *Receipts) {}

// shakyListener fails a few times before each connection it gives.
type shakyListener struct {
	net.Listener
	results chan acceptResult
	closed  chan struct{}
}

type acceptResult struct {
	conn net.Conn
	err  error
}

func (l *shakyListener) Accept() (net.Conn, error) {
	select {
	case r := <-l.results:
		return r.conn, r.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// give makes the next Accept return this.
func (l *shakyListener) give(t *testing.T, c net.Conn, err error) {
	t.Helper()
	select {
	case l.results <- acceptResult{c, err}:
	case <-time.After(patience):
		t.Fatal("nobody accepts any more")
	}
}

func (l *shakyListener) Close() error   { close(l.closed); return nil }
func (l *shakyListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestAcceptGoesOnAfterErrors(t *testing.T) {
	b, err := New(Config{PlainAddr: "127.0.0.1:0", Authenticate: nobody, OnMetrics: nothing})
	if err != nil {
		t.Fatal(err)
	}
	b.started.Store(true)
	shaky := &shakyListener{results: make(chan acceptResult), closed: make(chan struct{})}
	l := newListener("plain", shaky, nil, b)
	b.listeners = []*listener{l}
	served, ended := make(chan *conn), make(chan struct{})
	l.attach = func(_ string, c *conn) error { served <- c; return nil }
	go func() {
		defer close(ended)
		l.accept()
	}()
	noFiles := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	for range 2 {
		for range 3 {
			shaky.give(t, nil, noFiles)
		}
		if err := b.Ready(); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("ready says %v while nothing can be accepted", err)
		}
		server, client := net.Pipe()
		defer client.Close()
		shaky.give(t, server, nil)
		want(t, "served", next(t, served).raw, server)
		want(t, "ready", b.Ready(), nil)
	}
	want(t, "errors counted", counterValue(t, b.count.acceptErrors), 6)
	shaky.give(t, nil, errors.New("unheard of")) // no error ends it but closing
	l.close()
	next(t, ended)
	l.wait()
	late, client := net.Pipe()
	defer client.Close()
	l.start(late) // accepted in the moment of closing: closed, not served
	_ = client.SetReadDeadline(time.Now().Add(patience))
	wantClosed(t, client)
}

func TestPanicWhileServingIsSurvived(t *testing.T) {
	b, err := New(Config{PlainAddr: "127.0.0.1:0", Authenticate: nobody, OnMetrics: nothing})
	if err != nil {
		t.Fatal(err)
	}
	shaky := &shakyListener{closed: make(chan struct{})}
	l := newListener("plain", shaky, nil, b)
	server, client := net.Pipe()
	defer client.Close()
	l.attach = func(string, *conn) error { panic("decoder") }
	l.start(server)
	wantClosed(t, client)
	l.close()
	l.wait()
	want(t, "panics counted", counterValue(t, b.count.panics), 1)
	want(t, "connections", counterValue(t, b.count.connections), 0)
}
