package harness

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// No port is given twice, none that somebody listens on, and none that the
// kernel gives to connections.
func TestFreeAddr(t *testing.T) {
	span, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	kernels, err := strconv.Atoi(strings.Fields(string(span))[0])
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range 100 {
		addr, err := FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] || a.Port >= max(kernels, 32768) {
			t.Errorf("%s: given before %v, the kernel's own from %d", addr, seen[addr], kernels)
		}
		seen[addr] = true
		taken, err := net.ListenTCP("tcp", &net.TCPAddr{IP: a.IP, Port: a.Port + 1})
		if err == nil { // else somebody else has it
			defer taken.Close()
			seen[taken.Addr().String()] = true
		}
	}
}
