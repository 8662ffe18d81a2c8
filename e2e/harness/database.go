package harness

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Database is the private Postgres of a data folder.
type Database struct{ Data string }

// Database is the coordinator's own.
func (c *Coordinator) Database() Database { return Database{Data: c.Data} }

// Files is the server's data folder.
func (d Database) Files() string { return filepath.Join(d.Data, "postgres") }

// postmaster reads a line of postmaster.pid, counted from 1.
func (d Database) postmaster(line int) (string, error) {
	text, err := os.ReadFile(filepath.Join(d.Files(), "postmaster.pid"))
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < line {
		return "", fmt.Errorf("postmaster.pid has %d lines: the server is still starting", len(lines))
	}
	return strings.TrimSpace(lines[line-1]), nil
}

// PID is the server's process id.
func (d Database) PID() (int, error) {
	text, err := d.postmaster(1)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// Crash kills a server by its PID, with no warning. Its children finish what
// they are at, commits included, before they notice; Crash waits until all are
// gone.
func Crash(ctx context.Context, pid int) error {
	family, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return Until(ctx, "the database's processes to end", func(context.Context) error {
		for child := range strings.FieldsSeq(string(family)) {
			if _, err := os.Stat("/proc/" + child); err == nil {
				return fmt.Errorf("process %s lives", child)
			}
		}
		return nil
	})
}

// URL is how to connect while the server runs; its socket's folder changes
// with every start of a coordinator.
func (d Database) URL() (string, error) {
	socket, err := d.postmaster(5)
	if err != nil {
		return "", err
	}
	return "postgres://lucid@/lucid?host=" + url.QueryEscape(socket), nil
}

// Connect opens a connection; it waits until the server accepts one.
func (d Database) Connect(ctx context.Context) (*pgx.Conn, error) {
	var conn *pgx.Conn
	err := Until(ctx, "the database", func(ctx context.Context) error {
		address, err := d.URL()
		if err != nil {
			return err
		}
		conn, err = pgx.Connect(ctx, address)
		return err
	})
	return conn, err
}

// Int64 asks for one number.
func (d Database) Int64(ctx context.Context, query string, args ...any) (int64, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	var n int64
	err = conn.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// Exec runs one statement.
func (d Database) Exec(ctx context.Context, query string, args ...any) error {
	conn, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, query, args...)
	return err
}

// Halt stops every process of a server by its PID: it answers nothing and
// refuses nothing, until Resume.
func Halt(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil { // first, so that it begets no more
		return err
	}
	return signalFamily(pid, syscall.SIGSTOP)
}

// Resume has a halted server go on where it was.
func Resume(pid int) error { return signalFamily(pid, syscall.SIGCONT) }

// signalFamily passes over children that have ended meanwhile.
func signalFamily(pid int, signal syscall.Signal) error {
	family, err := Family(pid)
	if err != nil {
		return err
	}
	for _, p := range family {
		if err := syscall.Kill(p, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}
