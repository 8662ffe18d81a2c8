// Package cluster owns a private Postgres server for development and tests:
// it finds the installed binaries, makes the data folder once, starts the
// server on a socket only, restarts it when it dies and stops it.
//
// It must never delete data, never listen on the network and never touch a
// server that it did not make.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	superuser = "lucid"         // owns the tables
	program   = "lucid_program" // owns none
	database  = "lucid"
)

// Config says where the server lives. Only Dir is required.
type Config struct {
	// Dir holds the data (postgres/), the server's log (postgres.log) and the
	// lock (postgres.lock). It is made when missing; as root it is made so
	// that the server's user can enter it.
	Dir string
	// Bin is the folder of the server binaries. Empty: the installed version
	// that made the data folder, else the newest.
	Bin string
	// Settings are server settings on top of our own.
	Settings map[string]string
	// SocketParents are tried in order for the socket's folder. Empty: the
	// machine's run folder, then /tmp.
	SocketParents []string
	// Logger tells of first start, deaths and restarts. Nil: silent.
	Logger *slog.Logger
}

// Cluster is a running server and its supervisor.
type Cluster struct {
	config Config
	log    *slog.Logger
	owner  owner
	bin    string
	data   string // DIR/postgres
	socket string // folder
	lock   *os.File

	stop context.CancelFunc // asks the supervisor to end
	done chan struct{}      // the supervisor has ended, and no server runs any more
	err  error              // how the last server ended; read after done

	process  atomic.Pointer[os.Process] // of the running server
	released sync.Once
}

// Start makes the data folder when there is none, stops a server that a
// killed predecessor left behind, and returns once the server answers. From
// then on a server that dies is started again until Stop.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c, err := occupy(config)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(ctx); err != nil {
		c.release()
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	c.stop = stop
	ready := make(chan error, 1)
	go c.supervise(life, ready)
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = fmt.Errorf("private Postgres in %s: %w", c.data, ctx.Err())
	}
	if err == nil {
		err = c.makeDatabase(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop(ctx))
	}
	return c, nil
}

// occupy makes the folder and takes its lock: from here on it is ours alone.
func occupy(config Config) (*Cluster, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", config.Dir, err)
	}
	config.Dir = dir
	c := &Cluster{config: config, log: config.Logger, data: filepath.Join(dir, "postgres"), done: make(chan struct{})}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.owner, err = serverOwner(); err != nil {
		return nil, err
	}
	if err = c.owner.makeDir(dir); err != nil {
		return nil, err
	}
	if c.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	return c, nil
}

// prepare does everything up to the first start of the server.
func (c *Cluster) prepare(ctx context.Context) (err error) {
	if err = c.owner.canEnter(c.config.Dir); err != nil {
		return err
	}
	if c.bin, err = chooseBin(c.config.Bin, c.data); err != nil {
		return err
	}
	if err = c.makeData(ctx); err != nil {
		return err
	}
	if err = c.stopOrphan(ctx); err != nil {
		return err
	}
	return c.makeSocketDir()
}

// URL is how to connect. It stays the same over restarts of the server.
func (c *Cluster) URL() string { return c.url(database) }

func (c *Cluster) url(name string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s", superuser, name, c.socket)
}

// ProgramURL is how to connect as a role that owns nothing.
func (c *Cluster) ProgramURL() string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s", program, database, c.socket)
}

// PID is the process id of the running server, 0 while there is none.
func (c *Cluster) PID() int {
	if p := c.process.Load(); p != nil {
		return p.Pid
	}
	return 0
}

func (c *Cluster) signal(sig os.Signal) {
	if p := c.process.Load(); p != nil {
		p.Signal(sig) // an error says that it has ended, which is what signals ask for
	}
}

// Stop shuts the server down and waits for it. Open connections are ended.
// When ctx ends first the server is stopped at once; it then recovers from its
// log at the next start, and Stop says so.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stop()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.signal(quitNow)
		select {
		case <-c.done:
		case <-time.After(quitPatience):
			c.signal(kill)
			<-c.done
		}
	}
	c.release()
	return c.err
}

// release gives back what outlives the server: the socket folder and the lock.
// Once only: afterwards they may be another cluster's.
func (c *Cluster) release() {
	c.released.Do(func() {
		if c.socket != "" {
			os.RemoveAll(c.socket)
			os.Remove(socketNote(c.config.Dir))
		}
		// Said aloud, because a child that is just being started shares the file.
		syscall.Flock(int(c.lock.Fd()), syscall.LOCK_UN)
		c.lock.Close()
	})
}
