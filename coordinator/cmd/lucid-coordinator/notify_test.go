package main

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestServiceManagerIsTold runs serve as its unit does, with the service
// manager's side of the socket: READY once it works, STOPPING when it was told
// to end.
func TestServiceManagerIsTold(t *testing.T) {
	newShell(t)
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", address)
	t.Setenv("LUCID_API_TLS", "off")
	ended := make(chan int, 1)
	go func() { ended <- run([]string{"serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"}) }()
	told := func(want string) {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		n, err := socket.Read(buffer)
		if err != nil || string(buffer[:n]) != want {
			t.Fatalf("told %q, %v; want %q", buffer[:n], err, want)
		}
	}
	told("READY=1")
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told("STOPPING=1")
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
