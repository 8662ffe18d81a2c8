package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/e2e/harness"
)

// brokerRole is the variable that makes this program the reference broker: the
// same server library as the coordinator's, in a process of its own as the
// coordinator is, with a hook that acknowledges and does nothing else.
const brokerRole = "LUCID_BENCH_EMPTY_BROKER"

// emptyHook lets everybody in and acknowledges every message at once.
type emptyHook struct{ mqtt.HookBase }

func (*emptyHook) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck || b == mqtt.OnPublish
}
func (*emptyHook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }
func (*emptyHook) OnACLCheck(*mqtt.Client, string, bool) bool              { return true }
func (*emptyHook) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	return p, packets.CodeSuccessIgnore
}

// serveEmptyBroker listens on a free port, tells it in one line, and serves
// until it is interrupted.
func serveEmptyBroker(announce io.Writer) error {
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	listener := listeners.NewTCP(listeners.Config{ID: "bench", Address: "127.0.0.1:0"})
	if err := errors.Join(server.AddHook(new(emptyHook), nil), server.AddListener(listener)); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := server.Serve(); err != nil {
		return err
	}
	fmt.Fprintln(announce, listener.Address())
	<-ctx.Done()
	return server.Close()
}

// measureEmptyBroker runs the load against the reference broker, and tells how
// much processor time each message took it, in µs.
func measureEmptyBroker(ctx context.Context, o options, l load) (got result, micros float64, err error) {
	used, err := atEmptyBroker(ctx, func(addr string, mark func() error) (err error) {
		l.addr = addr
		got, err = l.run(ctx, o.duration, mark)
		return err
	})
	messages := max(got.Measured/uint64(l.samples), 1)
	return got, float64(used) / 1e3 / float64(messages), err
}

// atEmptyBroker gives the processor time that a reference broker used between
// the first and the last mark of what is run against it.
func atEmptyBroker(ctx context.Context, run func(addr string, mark func() error) error) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), brokerRole+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill() // it holds nothing
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reference broker: %w", err)
	}
	var used []time.Duration
	if err := run(strings.TrimSpace(line), func() error {
		d, err := harness.CPUTime(cmd.Process.Pid)
		used = append(used, d)
		return err
	}); err != nil {
		return 0, err
	}
	return used[len(used)-1] - used[0], nil
}
