package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the longest path that fits a Unix socket address.
const maxSocketPath = 107

// socketPrefix starts the name of each socket folder, so that only a folder of
// ours is ever removed.
const socketPrefix = "lucid-pg-"

// lockDir keeps a second coordinator off the same folder. The kernel drops the
// lock when we die, however we die.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(lockFile(dir), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of the data folder: %w", err)
	}
	if err := take(file, dir); err != nil {
		file.Close()
		return nil, err
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(file, os.Getpid())
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock of the data folder: %w", err)
	}
	return file, nil
}

// take locks the file, or says who has it.
func take(file *os.File, dir string) error {
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return nil
	}
	holder, _ := io.ReadAll(io.LimitReader(file, 20))
	return fmt.Errorf("data folder %s is in use by process %s: stop it, or choose another folder with --data",
		dir, strings.TrimSpace(string(holder)))
}

// CheckFree tells when another process has the folder. It makes and keeps
// nothing: only Start makes sure.
func CheckFree(dir string) error {
	file, err := os.Open(lockFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lock of the data folder: %w", err)
	}
	defer file.Close() // and with it the lock
	return take(file, dir)
}

func lockFile(dir string) string { return filepath.Join(dir, "postgres.lock") }

// makeData runs initdb once. It works in a folder beside the real one that is
// renamed when complete, so a crash leaves no half-made cluster.
func (c *Cluster) makeData(ctx context.Context) error {
	info, err := os.Stat(c.data)
	if err == nil {
		return c.checkData(info)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("data folder: %w", err)
	}
	making := c.data + ".new"
	if err := os.RemoveAll(making); err != nil { // an initdb that was cut short; never held data
		return fmt.Errorf("removing a half-made data folder: %w", err)
	}
	if err := errors.Join(os.Mkdir(making, 0o700), c.owner.own(making)); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	args := []string{"-D", making, "-U", superuser, "--auth-local=trust", "--auth-host=reject",
		"--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"}
	if c.config.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := c.owner.command(filepath.Join(c.bin, "initdb"), args...)
	if out, err := runUntil(ctx, cmd); err != nil {
		return fmt.Errorf("initdb for %s: %w\n%s", c.data, err, strings.TrimSpace(out))
	}
	c.log.Info("database made", "folder", c.data, "binaries", c.bin)
	return os.Rename(making, c.data)
}

// checkData refuses a folder that is not a cluster of this owner.
func (c *Cluster) checkData(info os.FileInfo) error {
	if _, err := os.Stat(filepath.Join(c.data, "PG_VERSION")); err != nil {
		return fmt.Errorf("%s exists but holds no PostgreSQL data: move it away, or choose another folder with --data (%w)", c.data, err)
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != c.owner.uid {
		return fmt.Errorf("data folder %s belongs to uid %d, but the server would run as user %s: "+
			"run as the user that made it, or choose another folder with --data", c.data, sys.Uid, c.owner.name)
	}
	return nil
}

// makeSocketDir makes the fresh folder whose mode is the fence around the
// server: who cannot enter it cannot connect.
func (c *Cluster) makeSocketDir() error {
	parents := c.config.SocketParents
	if len(parents) == 0 {
		parents = []string{"/run", "/tmp"}
		if !c.owner.drop {
			parents[0] = "/run/user/" + strconv.Itoa(c.owner.uid)
		}
	}
	var failed error
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, socketPrefix) // 0700
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if err = c.useSocketDir(dir); err == nil {
			return nil
		}
		failed = errors.Join(failed, err, os.Remove(dir))
	}
	return fmt.Errorf("no folder for the database's socket: %w", failed)
}

func (c *Cluster) useSocketDir(dir string) error {
	if path := filepath.Join(dir, socketName); len(path) > maxSocketPath {
		return fmt.Errorf("socket path %s has %d bytes, more than the %d that a socket address holds", path, len(path), maxSocketPath)
	}
	if err := c.owner.own(dir); err != nil {
		return err
	}
	if err := c.owner.canEnter(dir); err != nil {
		return err
	}
	if err := os.WriteFile(socketNote(c.config.Dir), []byte(dir+"\n"), 0o600); err != nil {
		return err
	}
	c.socket = dir
	return nil
}

// socketNote holds the path of the socket's folder: for psql -h, and so that
// the next start can clear it away when we were killed.
func socketNote(dir string) string { return filepath.Join(dir, "postgres.socket") }

// dropOldSocket removes the socket folder of a killed predecessor.
func (c *Cluster) dropOldSocket() error {
	text, err := os.ReadFile(socketNote(c.config.Dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note of the old socket: %w", err)
	}
	if old := strings.TrimSpace(string(text)); strings.HasPrefix(filepath.Base(old), socketPrefix) {
		return os.RemoveAll(old)
	}
	return nil
}
