package harness

import (
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// FreeAddr gives a loopback address that nobody listens on. It stays the caller's
// until this process ends: a socket that never listens holds it, so that the kernel
// gives it to no listener of port 0 and to no connection, of whatever process. A
// program that names it and sets SO_REUSEADDR, as Go's and Mosquitto do, may listen
// on it again and again.
func FreeAddr() (string, error) {
	held, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(held, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if err := unix.Bind(held, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		return "", os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(held)
	if err != nil {
		return "", os.NewSyscallError("getsockname", err)
	}
	return netip.AddrPortFrom(loopback, uint16(name.(*unix.SockaddrInet4).Port)).String(), nil
}
