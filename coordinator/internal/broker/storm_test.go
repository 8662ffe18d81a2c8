package broker

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// storm is how many connections a test makes: few, but 10,000 with make
// test-long, or as many as this process may open at once.
func storm(t *testing.T, few int) int {
	t.Helper()
	const many, others = 10_000, 500
	if os.Getenv("TEST_LONG") == "" {
		return few
	}
	if most, err := mostFiles(); err != nil || most < many+others {
		fits := int(most) - others
		t.Logf("NOT TESTED: %[2]d connections, but %[1]d: this process may open no more (%[3]v)", fits, many, err)
		return fits
	}
	return many
}

// plainRig is a broker without TLS that lets everybody in.
func plainRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return start(t, func(c *Config) {
		c.PlainAddr = "127.0.0.1:0"
		c.Authenticate = func(context.Context, string, []byte) (int32, uint32, error) { return 1, 1, nil }
		c.OnConnect = func(context.Context, Client) (uint64, error) { return 1, nil }
		c.OnDisconnect = func(Client, string) {}
		c.OnMetrics = func(_ context.Context, _ Client, _ []byte, from *Receipts) { from.Settle(1, nil) }
		if change != nil {
			change(c)
		}
	})
}

// logIn speaks MQTT in a few bytes, and gives an error where the broker does
// not answer that the login is good.
func logIn(address net.Addr, nodeID string) (net.Conn, error) {
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		return nil, err
	}
	return c, greet(c, nodeID, "secret")
}

// greet logs in over a connection, and closes it where that fails.
func greet(c net.Conn, nodeID, password string) (err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	text := func(s string) string { return string([]byte{0, byte(len(s))}) + s }
	login := "\x00\x04MQTT\x04\xc2\x00\x3c" + text(nodeID) + text(nodeID) + text(password)
	answer := make([]byte, 4)
	if _, err = c.Write(append([]byte{0x10, byte(len(login))}, login...)); err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && string(answer) != "\x20\x02\x00\x00" {
		err = fmt.Errorf("CONNECT was answered with % x", answer)
	}
	if err != nil {
		_ = c.Close()
	}
	return err
}

// publish sends a metrics message at QoS 1 and waits for its acknowledgement.
func publish(c net.Conn, nodeID string) error { return publishOn(c, nodeID, wire.ChannelMetrics) }

func publishOn(c net.Conn, nodeID string, channel wire.Channel) error {
	body := fmt.Appendf([]byte{0, byte(len(topic(nodeID, channel)))}, "%s\x00\x01{}", topic(nodeID, channel))
	if _, err := c.Write(append([]byte{0x32, byte(len(body))}, body...)); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if string(answer) != "\x40\x02\x00\x01" {
		return fmt.Errorf("PUBLISH was answered with % x", answer)
	}
	return nil
}

// Everybody comes at once, as after our own restart: all are let in, and all
// are heard. The clients are a process of their own, because each has a limit of
// files.
func TestEverybodyConnectsAtOnce(t *testing.T) {
	if address := os.Getenv(crowdAddress); address != "" {
		crowd(t, address)
		return
	}
	r := plainRig(t, nil)
	count := storm(t, 500)
	cmd := exec.Command(os.Args[0], "-test.run=^TestEverybodyConnectsAtOnce$", "-test.v")
	cmd.Env = append(os.Environ(), crowdAddress+"="+r.PlainAddr().String(), fmt.Sprintf("%s=%d", crowdSize, count))
	leave, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !strings.Contains(lines.Text(), allHeard) {
		t.Log(lines.Text())
	}
	t.Log(lines.Text())
	if n := counterValue(t, r.count.connections); n != float64(count) {
		t.Errorf("%v connections, want %d", n, count)
	}
	_ = leave.Close()
	_, _ = io.Copy(io.Discard, said)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the clients' process: %v", err)
	}
}

// What the process of the clients is told, and what it says once all of them
// are connected and heard.
const (
	crowdAddress = "LUCID_TEST_CROWD_ADDRESS"
	crowdSize    = "LUCID_TEST_CROWD_SIZE"
	allHeard     = "connected and heard"
)

// crowd connects everybody at the same moment, and holds the connections until
// its input ends. The kernel drops some of thousands that open at once; these
// try again, as agents do.
func crowd(t *testing.T, address string) {
	count, err := strconv.Atoi(os.Getenv(crowdSize))
	if err != nil {
		t.Fatal(err)
	}
	broker, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]net.Conn, count)
	begin := make(chan struct{})
	var running sync.WaitGroup
	var again atomic.Int64
	for i := range clients {
		running.Go(func() {
			<-begin
			nodeID := fmt.Sprintf("node_%d", i)
			var err error
			for range 5 {
				if clients[i], err = logIn(broker, nodeID); err == nil {
					break
				}
				again.Add(1)
			}
			if err == nil {
				err = publish(clients[i], nodeID)
			}
			if err != nil {
				t.Errorf("%s: %v", nodeID, err)
			}
		})
	}
	began := time.Now()
	close(begin)
	running.Wait()
	fmt.Printf("%d clients %s in %s, %d of them not at the first try\n", count, allHeard, time.Since(began), again.Load())
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range clients {
		if c != nil {
			_ = c.Close()
		}
	}
}

// Nodes come, send and go, over and over, some without a word: nothing of them
// stays behind.
func TestChurnLeavesNothingBehind(t *testing.T) {
	r := plainRig(t, nil)
	round := func(times int) {
		var running sync.WaitGroup
		for worker := range 8 {
			running.Go(func() {
				for i := range times / 8 {
					nodeID := fmt.Sprintf("node_%d_%d", worker, i%20) // often while its last connection is still there
					c, err := logIn(r.PlainAddr(), nodeID)
					if err == nil && i%3 > 0 {
						err = publish(c, nodeID)
					}
					if err == nil && i%3 > 1 {
						_, err = c.Write([]byte{0xe0, 0}) // DISCONNECT
					}
					if err != nil {
						t.Error(err)
						return
					}
					_ = c.Close()
				}
			})
		}
		running.Wait()
		for _, l := range r.listeners { // until the broker has seen the last one go
			for l.open() > 0 {
				runtime.Gosched()
			}
		}
	}
	round(800) // what is made once
	goroutines, memory := runtime.NumGoroutine(), inUse()
	count := storm(t, 4000)
	round(count)
	settled := func() bool { // some may be about to end
		return runtime.NumGoroutine() <= goroutines+8 && inUse() <= memory+uint64(count)*100
	}
	for end := time.Now().Add(patience); !settled() && time.Now().Before(end); {
		runtime.Gosched()
	}
	if !settled() {
		t.Errorf("%d goroutines and %d bytes in use after %d connections, %d and %d before", runtime.NumGoroutine(), inUse(), count, goroutines, memory)
	}
	want(t, "sessions", len(r.sessions.current), 0)
}

// open is how many connections are served.
func (l *listener) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func TestMessageOfOneMebibyte(t *testing.T) {
	r := start(t, nil)
	other, c := r.node("node_b"), r.node("node_a")
	var before, after runtime.MemStats
	payload := make([]byte, 1<<20)
	runtime.ReadMemStats(&before)
	if err := r.wait(c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, payload)); err == nil {
		t.Error("acknowledged")
	}
	next(t, r.disconnected)
	runtime.ReadMemStats(&after)
	// The client's copy and TLS are in the same process.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
	want(t, "messages taken", len(r.metrics), 0)
	want(t, "the other node", other.IsConnectionOpen(), true)
}
