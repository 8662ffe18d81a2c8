package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the server understands by signals.
const (
	quitFast = syscall.SIGINT  // end connections, checkpoint, exit
	quitNow  = syscall.SIGQUIT // exit at once, recover at the next start
	kill     = syscall.SIGKILL
)

const (
	socketName   = ".s.PGSQL.5432"
	startLimit   = 5 * time.Minute // crash recovery on an SD card is slow
	probeEvery   = 50 * time.Millisecond
	probeLimit   = 2 * time.Second
	quitPatience = 2 * time.Second
	maxLogBytes  = 10 << 20 // a larger log is set aside at the next start
	logTailBytes = 2 << 10
)

// server is one life of the server process.
type server struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it exited; read after exited
	log    string
	logAt  int64 // where its lines begin in the log
}

// launch starts the process. The calling thread must outlive it, because the
// kernel asks the server to stop when that thread ends: a server of a killed
// coordinator does not stay behind.
func (c *Cluster) launch() (*server, error) {
	path := filepath.Join(c.config.Dir, "postgres.log")
	log, at, err := openLog(path)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.owner.command(filepath.Join(c.bin, "postgres"), c.args()...)
	cmd.SysProcAttr.Pdeathsig = quitFast
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the database server: %w", err)
	}
	s := &server{cmd: cmd, exited: make(chan struct{}), log: path, logAt: at}
	c.process.Store(cmd.Process)
	go func() {
		s.err = cmd.Wait()
		c.process.Store(nil)
		close(s.exited)
	}()
	return s, nil
}

// args is the whole configuration: nothing is written into the data folder.
func (c *Cluster) args() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": c.socket,
		"unix_socket_permissions": "0700",
		"port":                    "5432",
		"max_connections":         "100",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"log_checkpoints":         "off",
		"log_destination":         "stderr",
		"logging_collector":       "off",
	}
	for name, value := range c.config.Settings {
		settings[name] = value
	}
	args := []string{"-D", c.data}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

func openLog(path string) (*os.File, int64, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, 0, fmt.Errorf("database log: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("database log: %w", err)
	}
	at, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		log.Close()
		return nil, 0, fmt.Errorf("database log: %w", err)
	}
	return log, at, nil
}

// awaitReady returns when the server answers a connection, or says why not.
func (c *Cluster) awaitReady(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := c.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("database server ended while starting (%w); its log %s says:\n%s", exitReason(s.err), s.log, s.tail())
		case <-ctx.Done():
			return fmt.Errorf("database server does not answer (%w): %w; its log %s says:\n%s", ctx.Err(), err, s.log, s.tail())
		case <-tick.C:
		}
	}
}

func exitReason(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

func (c *Cluster) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// tail is the end of what this life of the server wrote.
func (s *server) tail() string {
	file, err := os.Open(s.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, s.logAt, maxLogBytes))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-logTailBytes):]))
}

// makeDatabase makes our database and the role of programs at the first start.
func (c *Cluster) makeDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return fmt.Errorf("private database: %w", err)
	}
	defer conn.Close(ctx)
	var there bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("making database %s: %w", database, err)
	}
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", program).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, "CREATE ROLE "+program+" LOGIN")
	}
	if err != nil {
		return fmt.Errorf("making role %s: %w", program, err)
	}
	return nil
}

// runUntil runs a short program and kills it when ctx ends.
func runUntil(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	return out.String(), err
}
