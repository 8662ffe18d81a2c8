package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// loadClient asks for one path again and again over a connection of its own. It
// does as little as HTTP/1.1 allows: client and server share the machine, and
// net/http's client costs as much as the server does.
type loadClient struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func dialLoad(address, path, token string) (*loadClient, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, address, token)
	return &loadClient{conn, bufio.NewReaderSize(conn, 64<<10), request}, nil
}

// ask reads one whole answer, which must be 200.
func (r *loadClient) ask() error {
	if _, err := r.conn.Write(r.request); err != nil {
		return err
	}
	status, err := r.line()
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	length := -1 // in chunks
	for {
		line, err := r.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if value, is := bytes.CutPrefix(line, []byte("Content-Length: ")); is {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if !ok {
		return fmt.Errorf("%.60s... is not answered with 200", r.request)
	}
	return r.skip(length)
}

func (r *loadClient) skip(length int) error {
	if length >= 0 {
		_, err := r.in.Discard(length)
		return err
	}
	for {
		line, err := r.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return err
		}
		if _, err := r.in.Discard(int(size) + len("\r\n")); err != nil || size == 0 {
			return err
		}
	}
}

func (r *loadClient) line() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// pace is how a number of requests went.
type pace struct {
	took  []time.Duration // each of them
	whole time.Duration
}

func (p pace) rate() float64 { return float64(len(p.took)) / p.whole.Seconds() }

// add asks count times over all connections.
func (p *pace) add(clients []*loadClient, count int) error {
	took, began := make([]time.Duration, count), time.Now()
	var next atomic.Int64
	var all errgroup.Group
	for _, c := range clients {
		all.Go(func() error {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				began := time.Now()
				if err := c.ask(); err != nil {
					return err
				}
				took[i] = time.Since(began)
			}
			return nil
		})
	}
	err := all.Wait()
	p.whole += time.Since(began)
	p.took = append(p.took, took...)
	return err
}

// load asks b.N times for path and as often for reference, in turns: what else
// the machine does meanwhile slows both. It reports the rate, p99 and the share
// of reference's rate.
func load(b *testing.B, address, token, path, reference string) {
	var read, other pace
	clients, others := dialAll(b, address, path, token), dialAll(b, address, reference, token)
	b.ResetTimer()
	for left := b.N; left > 0; left -= loadRound {
		if err := errors.Join(read.add(clients, min(left, loadRound)), other.add(others, min(left, loadRound))); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	slices.Sort(read.took)
	b.ReportMetric(read.rate(), "requests/s")
	b.ReportMetric(float64(read.took[len(read.took)*99/100])/float64(time.Millisecond), "p99-ms")
	b.ReportMetric(100*read.rate()/other.rate(), "%-of-SELECT-1")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

func dialAll(b *testing.B, address, path, token string) []*loadClient {
	clients := make([]*loadClient, loadConnections)
	for i := range clients {
		var err error
		if clients[i], err = dialLoad(address, path, token); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { clients[i].conn.Close() })
	}
	return clients
}

// serveLoad serves the engine over TCP as the coordinator does.
func serveLoad(b *testing.B, w *world) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := NewServer(w.engine, w.Logger)
	go server.Serve(listener)
	b.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}
