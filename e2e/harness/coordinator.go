package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// Options of a coordinator under test. Zero values are usable.
type Options struct {
	Binaries Binaries
	Data     string    // folder; required
	Serve    *Postgres // run serve on this server; nil runs dev
	TLS      bool      // serve speaks HTTPS, from the project's own CA
	Agent    bool      // start the local agent too
	HTTP     string    // host:port; "" chooses a free port
	MQTT     string    // host:port; "" chooses a free port
	Args     []string  // more flags of dev
	Env      []string  // more variables
}

// Coordinator is a running lucid-coordinator.
type Coordinator struct {
	Options
	client *http.Client
	cmd    *exec.Cmd
	out    output
	exited chan struct{}
	err    error // of the process; read after exited
}

// Start starts the process and returns at once; see AwaitReady.
func Start(o Options) (*Coordinator, error) {
	for _, addr := range []*string{&o.HTTP, &o.MQTT} {
		if *addr != "" {
			continue
		}
		free, err := FreeAddr()
		if err != nil {
			return nil, err
		}
		*addr = free
	}
	c := &Coordinator{Options: o, exited: make(chan struct{}), client: new(http.Client)}
	c.Pin("")
	c.cmd = exec.Command(o.Binaries.Coordinator, c.arguments()...)
	c.cmd.Env = c.environ()
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	// A group of its own, so that what it leaves behind can be found, and a
	// Ctrl-C of the test's terminal is the test's alone. A test that is killed
	// takes it along.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.exited)
	}()
	return c, nil
}

// arguments are the command line of dev or serve.
func (c *Coordinator) arguments() []string {
	if c.Serve == nil {
		agent := "none"
		if c.Agent {
			agent = c.Binaries.Agent
		}
		return append([]string{"dev", "--data", c.Data, "--http", c.HTTP, "--mqtt", c.MQTT, "--agent", agent}, c.Args...)
	}
	return append([]string{"serve", "--data", c.Data, "--http", c.HTTP, "--mqtt", c.MQTT}, c.Args...)
}

// environ is what every command of this coordinator needs to know.
func (c *Coordinator) environ() []string {
	env := Environ()
	if c.Serve != nil {
		env = append(env, "LUCID_DATABASE_URL="+c.Serve.address("lucid"), "LUCID_MQTT_ADDR="+c.MQTT, "LUCID_NODE_API_HOST="+host(c.HTTP), "LUCID_NODE_API_PORT="+port(c.HTTP))
		if !c.TLS {
			env = append(env, "LUCID_API_TLS=off")
		}
	}
	return append(env, c.Env...)
}

func host(addr string) string {
	h, _, _ := strings.Cut(addr, ":")
	return h
}

func port(addr string) string {
	_, p, _ := strings.Cut(addr, ":")
	return p
}

// Environ is the environment without settings of the machine's owner.
func Environ() []string {
	var kept []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LUCID_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// Again starts the same coordinator once more, after Stop or Kill.
func (c *Coordinator) Again() (*Coordinator, error) { return Start(c.Options) }

// AwaitReady waits until /ready says yes, or the process ends.
func (c *Coordinator) AwaitReady(ctx context.Context) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		select {
		case <-c.exited:
			giveUp(fmt.Errorf("it ended (%v):\n%s", c.err, c.Output()))
		case <-ctx.Done():
		}
	}()
	return Until(ctx, "the coordinator to be ready", func(ctx context.Context) error {
		status, body, err := c.Get(ctx, "/ready")
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d: %s", status, body)
		}
		return err
	})
}

// AwaitLine waits for a line of output that matches.
func (c *Coordinator) AwaitLine(ctx context.Context, pattern string) (string, error) {
	return c.out.await(ctx, regexp.MustCompile(pattern))
}

// Output is everything the process wrote.
func (c *Coordinator) Output() string { return c.out.text() }

// PID is the process id.
func (c *Coordinator) PID() int { return c.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (c *Coordinator) Exited() <-chan struct{} { return c.exited }

// ExitCode is the process's status; call it after Exited.
func (c *Coordinator) ExitCode() int { return c.cmd.ProcessState.ExitCode() }

// Stop ends dev as Ctrl-C does, which a terminal sends to the whole process
// group, and serve as systemd does, and waits for it.
func (c *Coordinator) Stop(ctx context.Context) error {
	target, signal := -c.PID(), syscall.SIGINT
	if c.Serve != nil {
		target, signal = c.PID(), syscall.SIGTERM
	}
	if err := syscall.Kill(target, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	select {
	case <-c.exited:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("the coordinator does not stop: %w\n%s", ctx.Err(), c.Output())
	}
}

// Kill ends the process at once, as a power cut does, and waits for it.
func (c *Coordinator) Kill() {
	_ = c.cmd.Process.Kill() // already gone is fine
	<-c.exited
}

// LeftBehind names the processes that still use the data folder or the
// process group.
func (c *Coordinator) LeftBehind() ([]string, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range entries {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // ended meanwhile
		}
		if text := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(text, c.Data) {
			found = append(found, filepath.Base(filepath.Dir(name))+" "+text)
		}
	}
	if err := syscall.Kill(-c.PID(), 0); err == nil {
		found = append(found, fmt.Sprintf("process group %d", c.PID()))
	}
	return found, nil
}

// Run runs the coordinator's binary with other arguments to its end.
func (c *Coordinator) Run(ctx context.Context, args ...string) (stdout string, err error) {
	cmd := exec.CommandContext(ctx, c.Binaries.Coordinator, args...)
	cmd.Env = c.environ()
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%v: %w: %s", args, err, exit.Stderr)
	}
	return string(out), err
}
