package harness

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"
)

// The ports of programs under test. They are below those that Linux gives to
// connections and to listeners of port 0 (net.ipv4.ip_local_port_range, from
// 32768): else somebody could be given the port before the program opens it, or
// while it is started again.
const (
	firstPort = 20_000
	ports     = 12_768
)

// Which port this process gives next: none twice, for the one it was given to may
// not have been opened yet. Another process begins elsewhere.
var (
	firstGiven = rand.Uint32N(ports)
	given      atomic.Uint32
)

// FreeAddr gives a loopback address that nobody listens on.
func FreeAddr() (string, error) {
	for {
		port := firstPort + (firstGiven+given.Add(1))%ports
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", err
		}
		return l.Addr().String(), l.Close()
	}
}
