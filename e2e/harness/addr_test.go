package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever asks the kernel for any port is not given one that is held, be it for a
// listener or for a connection; who names it may listen, close, and listen again.
func TestFreeAddrIsGivenToNobodyElse(t *testing.T) {
	addr := freeAddr(t)
	if other := freeAddr(t); other == addr {
		t.Fatalf("%s is given twice", addr)
	}
	port := netip.MustParseAddrPort(addr).Port()
	// only asks the kernel for any port, of which this is the only one.
	only := func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, int(port)<<16|int(port))
		})
		return errors.Join(err, failed)
	}
	anywhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer anywhere.Close()
	for range 2 { // while nobody listens, and after somebody did
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Fatal("somebody listens")
		}
		listener, err := (&net.ListenConfig{Control: only}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if errors.Is(err, unix.ENOPROTOOPT) {
			t.Skip("NOT TESTED: who asks for any port: Linux before 6.3 cannot say from which")
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a listener of any port: %v, %v", listener, err)
		}
		if conn, err := (&net.Dialer{Control: only}).Dial("tcp", anywhere.Addr().String()); !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("a connection from any port: %v, %v", conn, err)
		}
		named, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		named.Close()
	}
}

// Mosquitto listens on an address that is held, and again after a kill with a
// client connected, whose connection the kernel then still knows.
func TestMosquittoListensAgainOnItsAddress(t *testing.T) {
	if _, err := FindMosquitto(); errors.Is(err, ErrNoMosquitto) {
		t.Skip("NOT TESTED: ", err)
	}
	addr, dir := freeAddr(t), t.TempDir()
	conf := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\n", netip.MustParseAddrPort(addr).Port())
	if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for range 3 {
		m, err := StartMosquitto(ctx, dir, addr)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, ended := errors.AsType[*exec.ExitError](m.cmd.Wait()); !ended {
			t.Fatal("it was not killed")
		}
		conn.Close()
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
