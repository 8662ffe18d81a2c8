package sample

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lucid.internal/coordinator/internal/db/cluster"
)

// signalServer signals the server's process and all of its children.
func signalServer(t testing.TB, c *cluster.Cluster, sig syscall.Signal) {
	t.Helper()
	pid := c.PID()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(strconv.Itoa(pid) + " " + string(children)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(child, sig); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
}
