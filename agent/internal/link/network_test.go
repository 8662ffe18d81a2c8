package link

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A link that waits for long comes back at once when the network does.
func TestChangeOfTheNetworkEndsThePause(t *testing.T) {
	f := newFixture(t, nil)
	down, changed := make(chan struct{}), make(chan struct{})
	free := closedAddress(t)
	l := f.start(func(c *Config) {
		c.Servers = []string{free, f.broker.Addr}
		c.MinBackoff, c.MaxBackoff = time.Hour, time.Hour
		c.NetworkChanged, c.Logger = changed, onWarn(down)
	})
	f.wait(down)
	if s := l.State(); s.Cause != CauseRefused || s.Server != free {
		t.Fatalf("state %+v, want a refusal of the first server", s)
	}
	if err := l.Redirect([]string{f.broker.Addr}, []byte(f.authority.PEM)); err != nil {
		t.Fatal(err)
	}
	changed <- struct{}{}
	if f.session(l); l.State().Cause != "" {
		t.Errorf("connected, and the cause is %q", l.State().Cause)
	}
}

// A connection by an address that the machine has no longer is given up, and
// one whose address stands is not.
func TestConnectionEndsWithItsAddress(t *testing.T) {
	f := newFixture(t, nil)
	changed := make(chan struct{})
	var gone atomic.Bool
	l := f.start(func(c *Config) {
		c.NetworkChanged = changed
		c.Addresses = func() ([]net.Addr, error) {
			if gone.Load() {
				return nil, nil
			}
			return []net.Addr{&net.IPNet{IP: net.IPv4(127, 0, 0, 1)}}, nil
		}
	})
	s := f.session(l)
	for range 2 { // the second is taken once the first was looked at
		changed <- struct{}{}
	}
	if !s.alive() {
		t.Fatal("a connection whose address stands was given up")
	}
	gone.Store(true)
	changed <- struct{}{}
	f.wait(s.Lost())
	if !strings.Contains(s.ended().Error(), "no longer the address 127.0.0.1") {
		t.Errorf("ended with %v", s.ended())
	}
}

func TestFailuresAreNamed(t *testing.T) {
	portal := httptest.NewServer(http.RedirectHandler("/sign-in", http.StatusFound))
	t.Cleanup(portal.Close)
	hangUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp.Close() })
	go func() {
		for {
			c, err := hangUp.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	f := newFixture(t, nil)
	other := newFixture(t, nil)
	for name, c := range map[string]struct {
		server string
		cause  Cause
		want   string
	}{
		"no such name":             {strings.Repeat("x", 64) + ".invalid:8883", CauseName, "DNS server"}, // too long for a name: no server is asked
		"nobody listens":           {closedAddress(t), CauseRefused, "nobody listens there"},
		"a portal in plain HTTP":   {portal.Listener.Addr().String(), CauseStranger, "captive portal that wants a sign-in"},
		"a portal with its own CA": {other.broker.Addr, CauseStranger, "captive portal that wants a sign-in"},
		"hung up":                  {hangUp.Addr().String(), CauseStranger, "before the coordinator has shown itself"},
	} {
		down := make(chan struct{})
		l := f.start(func(config *Config) {
			config.Servers, config.Logger = []string{c.server}, onWarn(down)
			config.MinBackoff, config.MaxBackoff = time.Hour, time.Hour
		})
		f.wait(down)
		if s := l.State(); s.Cause != c.cause || !strings.Contains(s.LastError, c.want) {
			t.Errorf("%s: cause %q, %s; want %q with %q", name, s.Cause, s.LastError, c.cause, c.want)
		}
	}
	for err, want := range map[error]Cause{
		&net.DNSError{IsTimeout: true}: CauseName, os.NewSyscallError("connect", unix.EHOSTUNREACH): CauseUnreachable,
		&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}: CauseUnreachable, errors.New("else"): "",
	} {
		if got := causeOf(reached(err)); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

// In a network of its own, where nobody is disturbed: bringing up its loopback
// gives it an address, of which the kernel tells.
func TestKernelTellsOfAddresses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a network namespace")
	}
	told := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var count atomic.Int32
	addresses := func() ([]net.Addr, error) { // another set each time
		return []net.Addr{&net.IPNet{IP: net.IPv4(10, 0, 0, byte(count.Add(1))), Mask: net.CIDRMask(8, 32)}}, nil
	}
	var changed, ended <-chan struct{}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			changed, ended, err = watchNetwork(ctx, addresses)
		}
		if err == nil {
			err = loopbackUp()
		}
		told <- err
	}()
	if err := <-told; errors.Is(err, unix.EPERM) {
		t.Skip("no network namespaces here")
	} else if err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	case <-time.After(patience):
		t.Error("nothing was told")
	}
	stop()
	<-ended
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// closedAddress is a loopback address that nobody listens on.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
