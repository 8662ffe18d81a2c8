package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Postgres is a server of the test's own, for `serve`, which never starts one.
// Its files lie where dev keeps its private server's, so that Database serves
// for both.
type Postgres struct {
	Database
	cmd    *exec.Cmd
	socket string
	log    bytes.Buffer // read after the process has ended
}

// StartPostgres makes a server in a folder and waits until it answers.
func StartPostgres(ctx context.Context, data string) (*Postgres, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return nil, errors.New("no PostgreSQL server in /usr/lib/postgresql")
	}
	bin := slices.MaxFunc(bins, func(a, b string) int { return majorOf(a) - majorOf(b) })
	owner, err := serverOwner()
	if err != nil {
		return nil, err
	}
	p := &Postgres{Database: Database{Data: data}}
	if p.socket, err = os.MkdirTemp("", "lucid-e2e-pg-"); err != nil {
		return nil, err
	}
	for _, dir := range []string{data, p.Files()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	if owner != nil {
		err = errors.Join(os.Chown(p.Files(), int(owner.Uid), int(owner.Gid)), os.Chown(p.socket, int(owner.Uid), int(owner.Gid)))
	}
	if err == nil {
		err = initialise(run("initdb", "-D", p.Files(), "-U", "lucid", "--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--no-locale"))
	}
	if err != nil {
		return nil, err
	}
	p.cmd = run("postgres", "-D", p.Files(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+p.socket)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.create(ctx)
}

func initialise(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// create waits for the server and makes the database.
func (p *Postgres) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return Until(ctx, "Postgres", func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, p.address("postgres"))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "CREATE DATABASE lucid")
		return err
	})
}

// address is the connection string of one of the server's databases.
func (p *Postgres) address(name string) string {
	return "postgres://lucid@/" + name + "?host=" + p.socket
}

// Backup copies the database as a whole. The coordinator does not run.
func (p *Postgres) Backup(ctx context.Context) error {
	return p.administer(ctx, "DROP DATABASE IF EXISTS backup", "CREATE DATABASE backup TEMPLATE lucid")
}

// Restore puts the newest backup in the database's place.
func (p *Postgres) Restore(ctx context.Context) error {
	return p.administer(ctx, "DROP DATABASE IF EXISTS lucid WITH (FORCE)", "CREATE DATABASE lucid TEMPLATE backup")
}

// administer runs statements one by one, each until no connection of somebody
// who was killed is in its way.
func (p *Postgres) administer(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.address("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		err := Until(ctx, statement, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, statement)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the server and every connection to it.
func (p *Postgres) Stop() error {
	defer os.RemoveAll(p.socket)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("Postgres: %w\n%s", err, &p.log)
	}
	return nil
}

// majorOf reads the version in /usr/lib/postgresql/15/bin.
func majorOf(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}

// serverOwner is the user that the server runs as when we are root, whom
// Postgres refuses; nil otherwise.
func serverOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}
