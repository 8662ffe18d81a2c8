package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// ErrNoMosquitto says that this machine has none, and how it gets one.
var ErrNoMosquitto = errors.New("no mosquitto on this machine: `sh scripts/setup.sh --services` installs it")

// Mosquitto is a broker of the test's own, run on a folder such as
// `lucid-coordinator broker mosquitto-config` writes.
type Mosquitto struct {
	cmd *exec.Cmd
	log bytes.Buffer // read after it has ended
}

// FindMosquitto gives its path, or ErrNoMosquitto.
func FindMosquitto() (string, error) {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoMosquitto
}

// StartMosquitto starts it and waits until addr answers.
func StartMosquitto(ctx context.Context, dir, addr string) (*Mosquitto, error) {
	path, err := FindMosquitto()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	if os.Geteuid() == 0 { // else it would become a user who may not read the folder
		text, err := os.ReadFile(conf)
		if err != nil {
			return nil, err
		}
		conf = filepath.Join(dir, "test.conf")
		if err := os.WriteFile(conf, append([]byte("user root\n"), text...), 0o600); err != nil {
			return nil, err
		}
	}
	m := &Mosquitto{cmd: exec.Command(path, "-c", conf)}
	m.cmd.Stdout, m.cmd.Stderr = &m.log, &m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	err = Until(ctx, "mosquitto", func(context.Context) error {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

// Reload makes it read passwords and rules anew.
func (m *Mosquitto) Reload() error { return m.cmd.Process.Signal(syscall.SIGHUP) }

// PID is the process id.
func (m *Mosquitto) PID() int { return m.cmd.Process.Pid }

// Stop ends it.
func (m *Mosquitto) Stop() error {
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("mosquitto: %w\n%s", err, &m.log)
	}
	if err := m.cmd.Wait(); err != nil {
		return fmt.Errorf("mosquitto: %w\n%s", err, &m.log)
	}
	return nil
}
