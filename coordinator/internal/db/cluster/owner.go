package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// rootFallback is the default data folder for root where the server's user
// cannot enter the working folder.
const rootFallback = "/var/lib/lucid-dev"

// owner is the user that runs the server: Postgres refuses to run as root, so
// root uses the user that the distribution's package made.
type owner struct {
	name string
	uid  int
	gid  int
	drop bool // we are root and must change to this user
}

func serverOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{name: "uid " + strconv.Itoa(os.Geteuid()), uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return owner{}, fmt.Errorf("as root the server runs as user postgres: %w; install the package postgresql, or run as an ordinary user", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return owner{}, fmt.Errorf("user postgres: %w", err)
	}
	return owner{name: "postgres", uid: uid, gid: gid, drop: true}, nil
}

// attr runs a process as the owner, out of reach of the terminal's Ctrl-C,
// which is ours to handle.
func (o owner) attr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if o.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}

// command is a server program as the owner, with an environment that makes it
// behave the same everywhere.
func (o owner) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = o.attr()
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "LC_MESSAGES=C", "TZ=UTC"}
	cmd.Dir = "/"
	return cmd
}

// canEnter asks the kernel, so that every folder above counts, and ACLs too:
// a process of the owner changes into the folder.
func (o owner) canEnter(dir string) error {
	cmd := o.command("/bin/true")
	cmd.Dir = dir
	err := cmd.Run()
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("user %s, who runs the database server, cannot enter %s: "+
			"choose another folder with --data (such as %s), or allow it (chmod o+x) on every folder above", o.name, dir, rootFallback)
	}
	if err != nil {
		return fmt.Errorf("trying whether user %s can enter %s: %w", o.name, dir, err)
	}
	return nil
}

// makeDir makes our folder when it is missing. As root it can be entered, not
// listed, by others: the server's user must get through to its data.
func (o owner) makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	mode := os.FileMode(0o700)
	if o.drop {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return os.Chmod(dir, mode) // the umask may have taken bits away
}

// own hands a file or folder to the owner.
func (o owner) own(path string) error {
	if !o.drop {
		return nil
	}
	return os.Chown(path, o.uid, o.gid)
}

// DefaultDir is the data folder when none was named: cwd/.lucid. For root in a
// folder that the server's user cannot enter it is a fixed folder under
// /var/lib, and why says so in a sentence to show; why is empty otherwise.
func DefaultDir(cwd string) (dir, why string, err error) {
	o, err := serverOwner()
	if err != nil {
		return "", "", err
	}
	dir = filepath.Join(cwd, ".lucid")
	if !o.drop || o.canEnter(cwd) == nil {
		return dir, "", nil
	}
	return rootFallback, fmt.Sprintf("data goes to %s: user %s, who runs the database server for root, cannot enter %s", rootFallback, o.name, cwd), nil
}
