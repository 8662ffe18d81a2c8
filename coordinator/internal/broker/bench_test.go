package broker

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
)

// BenchmarkIdleConnections measures what a logged-in, silent connection costs
// the process: heap and stacks, without TLS. The client's end of each is in
// the same process, but is no more than a socket.
func BenchmarkIdleConnections(b *testing.B) {
	const connections = 2000
	broker, err := New(Config{
		PlainAddr:    "127.0.0.1:0",
		Authenticate: func(context.Context, string, []byte) (int32, uint32, error) { return 1, 0, nil },
		OnMetrics:    nothing,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		b.Fatal(err)
	}
	clients := make([]net.Conn, 0, connections)
	before := inUse()
	for i := range connections {
		c, err := net.Dial("tcp", broker.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
		id := fmt.Sprintf("node_%06d", i)
		login := "\x00\x04MQTT\x04\xc2\x00\x3c\x00\x0b" + id + "\x00\x0b" + id + "\x00\x06secret"
		if _, err := c.Write(append([]byte{0x10, byte(len(login))}, login...)); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil { // CONNACK
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(inUse()-before)/connections/1024, "KiB/connection")
	b.ReportMetric(0, "ns/op")
	for _, c := range clients {
		_ = c.Close()
	}
	if err := broker.Close(b.Context()); err != nil {
		b.Error(err)
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
