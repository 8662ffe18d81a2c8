package cluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperDir names the folder for TestHelperCoordinator, which is not a test
// but the process that the next test kills.
const helperDir = "LUCID_TEST_CLUSTER_DIR"

func TestHelperCoordinator(t *testing.T) {
	dir := os.Getenv(helperDir)
	if dir == "" {
		return
	}
	fmt.Println("url", begin(t, config(dir)).URL())
	select {}
}

func TestStartAfterTheCoordinatorWasKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	helper := exec.Command(os.Args[0], "-test.run=^TestHelperCoordinator$")
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		url = strings.TrimPrefix(lines.Text(), "url ")
	}
	run(t, url, "CREATE TABLE kept AS SELECT 'committed' AS word")
	old := read(t, url, "SHOW unix_socket_directories")
	its := &Cluster{config: config(dir), data: filepath.Join(dir, "postgres")}
	pid, err := its.pidFile()
	if err != nil || !its.isOurs(pid) {
		t.Fatalf("process %d is not the server (%v)", pid, err)
	}
	helper.Process.Kill()
	helper.Wait()
	awaitEnd(its, pid) // the kernel stops it for us

	c := begin(t, config(dir))
	if got := read(t, c.URL(), "SELECT word FROM kept"); got != "committed" {
		t.Errorf("read %q", got)
	}
	if _, err := os.Stat(old); err == nil {
		t.Errorf("the killed one's socket folder %s is still there", old)
	}
}

func awaitEnd(c *Cluster, pid int) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for c.isOurs(pid) {
		<-tick.C
	}
}

// stoppedCluster is a data folder in good order without a server, and the pid
// file that its server had.
func stoppedCluster(t *testing.T) (c *Cluster, pidFile []byte) {
	t.Helper()
	c = begin(t, config(folder(t)))
	run(t, c.URL(), "CREATE TABLE kept AS SELECT 'committed' AS word")
	pidFile, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	return c, pidFile
}

func TestStartStopsAServerLeftBehind(t *testing.T) {
	t.Parallel()
	c, _ := stoppedCluster(t)
	socket, err := os.MkdirTemp("/tmp", socketPrefix)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(socket)
	if err := c.owner.own(socket); err != nil {
		t.Fatal(err)
	}
	c.socket = socket
	left := c.owner.command(filepath.Join(c.bin, "postgres"), c.args()...)
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- left.Wait() }()
	read(t, c.URL(), "SELECT 'up'")

	again := begin(t, config(c.config.Dir))
	if err := <-ended; err != nil {
		t.Errorf("the server left behind ended by %v, want a clean stop", err)
	}
	if got := read(t, again.URL(), "SELECT word FROM kept"); got != "committed" {
		t.Errorf("read %q", got)
	}
}

func TestAStalePidFileIsNoHindrance(t *testing.T) {
	t.Parallel()
	c, pidFile := stoppedCluster(t)
	stranger := c.owner.command("/bin/cat")
	input, err := stranger.StdinPipe() // cat runs until it is closed
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer input.Close()
	_, rest, _ := strings.Cut(string(pidFile), "\n")
	for name, content := range map[string]string{
		"process gone":       string(pidFile),
		"process a stranger": fmt.Sprintf("%d\n%s", stranger.Process.Pid, rest),
	} {
		path := filepath.Join(c.data, "postmaster.pid")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.owner.own(path); err != nil {
			t.Fatal(err)
		}
		again, err := Start(t.Context(), config(c.config.Dir))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := read(t, again.URL(), "SELECT word FROM kept"); got != "committed" {
			t.Errorf("%s: read %q", name, got)
		}
		stop(t, again)
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was harmed: %v", err)
	}
}

func TestAnUnreadablePidFileIsSaid(t *testing.T) {
	t.Parallel()
	c, _ := stoppedCluster(t)
	path := filepath.Join(c.data, "postmaster.pid")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), config(c.config.Dir))
	wantError(t, err, path, "remove it")
}
