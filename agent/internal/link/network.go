package link

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// watchNetwork tells when the machine's own addresses changed, until ctx ends:
// a cable that was plugged in, another wireless network.
func watchNetwork(ctx context.Context, addresses func() ([]net.Addr, error)) (changes, ended <-chan struct{}, err error) {
	events, err := openAddressEvents()
	if err != nil {
		return nil, nil, err
	}
	changed, done := make(chan struct{}, 1), make(chan struct{})
	stop := context.AfterFunc(ctx, func() { events.Close() })
	go func() {
		defer close(done)
		defer stop()
		defer events.Close()
		buffer := make([]byte, 8<<10)
		before := fingerprint(addresses)
		for {
			if _, err := events.Read(buffer); err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: some were lost, which says as much
				return
			}
			// The kernel tells of every renewal; only what is new counts.
			if now := fingerprint(addresses); now != before {
				before = now
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return changed, done, nil
}

// openAddressEvents subscribes to the kernel's news about addresses (rtnetlink(7)).
func openAddressEvents() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("netlink socket", err)
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("netlink bind", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// fingerprint names the addresses that a machine has.
func fingerprint(addresses func() ([]net.Addr, error)) string {
	list, _ := addresses() // none: as good as another set
	var all []string
	for _, a := range list {
		all = append(all, a.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// rooted reports whether the connection's own address is still the machine's.
// When that cannot be told it is.
func (s *Session) rooted(addresses func() ([]net.Addr, error)) bool {
	local, ok := s.conn.LocalAddr().(*net.TCPAddr)
	list, err := addresses()
	if !ok || err != nil {
		return true
	}
	return slices.ContainsFunc(list, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(local.IP)
	})
}
