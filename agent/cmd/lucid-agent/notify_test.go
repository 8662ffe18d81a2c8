package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lucid.internal/agent"
	"lucid.internal/agent/internal/coordtest"
)

// manager is what systemd is to a service: a socket that it writes to.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
}

func newManager(t *testing.T) *manager {
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", address)
	t.Setenv("WATCHDOG_USEC", "400000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	return &manager{t, socket}
}

// until reads messages until one has the line, and gives what came before it.
func (m *manager) until(line string) (before []string) {
	m.t.Helper()
	if err := m.socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.socket.Read(buffer)
		if err != nil {
			m.t.Fatalf("%s never came: %v; before: %q", line, err, before)
		}
		for got := range strings.Lines(string(buffer[:n])) {
			if got = strings.TrimSpace(got); strings.HasPrefix(got, line) {
				return before
			}
			before = append(before, got)
		}
	}
}

// TestServiceManagerIsTold runs the command as its unit does, with the service
// manager's side of the socket.
func TestServiceManagerIsTold(t *testing.T) {
	m := newManager(t)
	dir := t.TempDir()
	authority := coordtest.NewAuthority(t)
	broker := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: authority.Server(t, "127.0.0.1")})
	enrolment := coordtest.NewEnrolment(t, authority, false, []string{broker.Addr}, "token")
	ticket, state, status, settings := filepath.Join(dir, "enroll.toml"), filepath.Join(dir, "state"), filepath.Join(dir, "status.json"), filepath.Join(dir, "agent.toml")
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(ticket, enrolment.Ticket("token"))
	put(settings, "sample_interval = \"20s\"\npublish_interval = \"40s\"\n")
	var stdout, stderr bytes.Buffer
	if code := command(t.Context(), []string{"enroll", "--file", ticket, "--state-dir", state}, &stdout, &stderr); code != 0 {
		t.Fatalf("enroll: code %d, %s", code, &stderr)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() {
		ended <- command(ctx, []string{"run", "--config", settings, "--state-dir", state, "--status-file", status}, &stdout, &stderr)
	}()
	m.until("READY=1")
	m.until("STATUS=connected to " + broker.Addr)
	for range 3 {
		m.until("WATCHDOG=1") // every half of WATCHDOG_USEC
	}

	hangup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	put(settings, "sample_interval = \"5s\"\npublish_interval = \"30s\"\n")
	hangup()
	m.until("RELOADING=1")
	m.until("READY=1")
	m.until("WATCHDOG=1") // with it the status file is written
	m.until("WATCHDOG=1")
	if got := settingsIn(t, status); got.SampleInterval != "5s" || got.PublishInterval != "30s" {
		t.Errorf("after a reload: %+v", got)
	}
	put(settings, "sample_interval = \"soon\"\n")
	hangup()
	for range 5 {
		m.until("WATCHDOG=1")
	}
	if got := settingsIn(t, status); got.SampleInterval != "5s" {
		t.Errorf("wrong settings were followed: %+v", got)
	}
	stop()
	for _, line := range m.until("STOPPING=1") {
		if strings.HasPrefix(line, "RELOADING") {
			t.Error("it said that it reloads wrong settings")
		}
	}
	if code := <-ended; code != 0 || !strings.Contains(stderr.String(), "agent.toml:1: sample_interval: time: invalid duration") {
		t.Errorf("code %d; the log does not say what is wrong:\n%s", code, &stderr)
	}
}

func settingsIn(t *testing.T, file string) agent.Settings {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r agent.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r.Settings
}
