package harness

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestLookAtMyself(t *testing.T) {
	before, err := Look(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.RSS == 0 || before.Peak < before.RSS || before.Anonymous == 0 || before.Anonymous > before.RSS {
		t.Errorf("%+v", before)
	}
	var after Footprint
	for x := 0; after.CPU <= before.CPU; x++ { // work until the scheduler has noticed
		if after, err = Look(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Look(-1); err == nil {
		t.Error("a process that does not exist was read")
	}
}

func TestBetween(t *testing.T) {
	at := time.Unix(1000, 0)
	u := Between(
		Footprint{At: at, RSS: 1, CPU: time.Second, WriteBytes: 10},
		Footprint{At: at.Add(10 * time.Second), RSS: 3, Peak: 4, Anonymous: 2, CPU: 2 * time.Second, WriteBytes: 17})
	if u != (Used{RSS: 3, Anonymous: 2, Peak: 4, WriteBytes: 7, CPUPercent: 10}) {
		t.Errorf("%+v", u)
	}
}

func TestField(t *testing.T) {
	text := "Name:\tagent\nVmRSS:\t    1234 kB\nwrite_bytes: 7\n"
	if n, err := field(text, "VmRSS:", 1024); n != 1234*1024 || err != nil {
		t.Error(n, err)
	}
	if n, err := field(text, "write_bytes:", 1); n != 7 || err != nil {
		t.Error(n, err)
	}
	for _, bad := range []string{"Name:", "VmHWM:"} {
		if _, err := field(text, bad, 1); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestFamily(t *testing.T) {
	child := exec.Command("cat")
	if _, err := child.StdinPipe(); err != nil { // keeps it waiting
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	// children lists those of one thread, and Go starts processes from any.
	pids, err := Family(os.Getpid())
	if err != nil || pids[0] != os.Getpid() {
		t.Errorf("%v, %v", pids, err)
	}
	pids, err = Family(child.Process.Pid)
	if err != nil || len(pids) != 1 {
		t.Errorf("a process without children: %v, %v", pids, err)
	}
	if _, err := Family(-1); err == nil {
		t.Error("a process that does not exist has a family")
	}
}

// A child that has ended goes on counting: Postgres ends connections and workers
// at any time.
func TestTimeOfChildrenThatEndedCounts(t *testing.T) {
	parent := exec.Command("sh", "-c", "(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done); echo ended; read end")
	out, errOut := parent.StdoutPipe()
	in, errIn := parent.StdinPipe()
	if err := errors.Join(errOut, errIn, parent.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); parent.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	all, err := FamilyCPUTime(parent.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	own, err := CPUTime(parent.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if all < own+10*time.Millisecond {
		t.Errorf("it used %v with its child, %v without", all, own)
	}
	if _, err := FamilyCPUTime(-1); err == nil {
		t.Error("a process that does not exist used time")
	}
}
