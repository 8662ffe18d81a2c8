package harness

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// sweptParent has TestSweeperRemovesWhatAKilledProcessLeft, when set, be the
// process that is killed: it makes its folder there.
const sweptParent = "LUCID_E2E_SWEPT_PARENT"

func TestSweeperRemovesWhatAKilledProcessLeft(t *testing.T) {
	if parent := os.Getenv(sweptParent); parent != "" {
		leaveFolder(t, parent)
	}
	parent := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), sweptParent+"="+parent)
	said, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(said).ReadString('\n')
	if err == nil {
		_, err = os.Stat(strings.TrimSpace(dir))
	}
	if err != nil {
		t.Error(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Until(ctx, "folders to go", func(context.Context) error {
		left, err := filepath.Glob(filepath.Join(parent, "*"))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left behind: %q", left)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// leaveFolder makes a folder with something in it, says which, and waits to be killed.
func leaveFolder(t *testing.T, parent string) {
	s, err := StartSweeper(0)
	defer runtime.KeepAlive(s) // for good
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "data of one", "deep")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(dir + "\n")
	select {}
}
