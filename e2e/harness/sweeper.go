package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Sweeper is a process that removes folders once this one has ended, also by a
// kill or a time-out, which no clean-up of a test outlives: memory that they take
// would be gone until the machine starts anew. Folders are named on its standard
// input, which closes with us.
type Sweeper struct{ names *os.File }

// StartSweeper starts it. What the kernel ends with us has so much time to end
// before its folders go.
func StartSweeper(grace time.Duration) (*Sweeper, error) {
	const script = `while read -r dir; do set -- "$@" "$dir"; done
grace=$1; shift
left() { for dir; do [ -e "$dir" ] && return; done; return 1; }
left "$@" || exit 0
sleep "$grace"
for i in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf "$@" 2>/dev/null && exit 0
	sleep 0.2
done`
	input, names, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	cmd := exec.Command("/bin/sh", "-c", script, "sh", strconv.FormatFloat(grace.Seconds(), 'f', 3, 64))
	cmd.Stdin = input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C must not reach it
	if err := cmd.Start(); err != nil {
		names.Close()
		return nil, fmt.Errorf("start what removes folders after us: %w", err)
	}
	return &Sweeper{names}, cmd.Process.Release()
}

// Remember has it remove a folder, whose name is one line, if it is still there.
func (s *Sweeper) Remember(dir string) error {
	_, err := fmt.Fprintln(s.names, dir)
	return err
}
