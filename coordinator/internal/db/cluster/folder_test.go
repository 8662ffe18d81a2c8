package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestDataOfAnotherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	c, _ := stoppedCluster(t)
	mine, err := majorOf(c.bin)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.data, "PG_VERSION")
	if err := os.WriteFile(path, []byte("7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), config(c.config.Dir))
	wantError(t, err, c.data, "PostgreSQL 7,", strconv.Itoa(mine), c.bin, "Nothing was changed", "--data")

	if err := os.WriteFile(path, []byte(strconv.Itoa(mine)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := begin(t, config(c.config.Dir))
	if got := read(t, again.URL(), "SELECT word FROM kept"); got != "committed" {
		t.Errorf("the refusal changed the data: %q", got)
	}
}

func TestAFolderThatIsNoClusterIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	letter := filepath.Join(dir, "postgres", "letter.txt")
	if err := os.Mkdir(filepath.Dir(letter), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(letter, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), config(dir))
	wantError(t, err, filepath.Dir(letter), "holds no PostgreSQL data")
	if text, _ := os.ReadFile(letter); string(text) != "dear" {
		t.Error("the folder was touched")
	}
}

func TestAnInterruptedInitdbIsDoneAgain(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	half := filepath.Join(dir, "postgres.new", "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	c := begin(t, config(dir))
	if got := read(t, c.URL(), "SELECT 'up'"); got != "up" {
		t.Errorf("read %q", got)
	}
}

func TestTheSocketPathMustFitAnAddress(t *testing.T) {
	t.Parallel()
	long := filepath.Join(folder(t), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	c := config(folder(t))
	c.SocketParents = []string{long}
	_, err := Start(t.Context(), c)
	wantError(t, err, long, "bytes", "107")
	if left, _ := os.ReadDir(long); len(left) > 0 {
		t.Errorf("left %v behind", left)
	}
	c.SocketParents = []string{long, "/tmp"}
	if got := begin(t, c); !strings.HasPrefix(got.socket, "/tmp/") {
		t.Errorf("socket in %s, want the next parent", got.socket)
	}
}

// closedFolder is one that only we can enter.
func closedFolder(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root runs the server as another user")
	}
	dir := folder(t)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAFolderTheServerCannotEnterIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(closedFolder(t), "data")
	_, err := Start(t.Context(), config(dir))
	wantError(t, err, dir, "postgres", "cannot enter", "--data")
}

func TestDefaultDirOfRootAvoidsAClosedFolder(t *testing.T) {
	t.Parallel()
	closed := closedFolder(t)
	dir, why, err := DefaultDir(closed)
	if err != nil || dir != rootFallback || !strings.Contains(why, closed) {
		t.Errorf("DefaultDir = %q, %q, %v", dir, why, err)
	}
}

func TestDefaultDirIsBesideUs(t *testing.T) {
	t.Parallel()
	cwd := folder(t)
	dir, why, err := DefaultDir(cwd)
	if err != nil || dir != filepath.Join(cwd, ".lucid") || why != "" {
		t.Errorf("DefaultDir = %q, %q, %v", dir, why, err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 17.6\n":                           17,
		"postgres (PostgreSQL) 18beta1\n":                        18,
	} {
		if got, err := parseVersion(text); err != nil || got != want {
			t.Errorf("parseVersion(%q) = %d, %v", text, got, err)
		}
	}
	if _, err := parseVersion("mysqld 8"); err == nil {
		t.Error("another program's version was taken")
	}
}

func TestChooseBin(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(folder(t), "bin")
	if _, err := chooseBin(missing, folder(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without binaries: %v", err)
	}
	have := installed()
	if len(have) == 0 {
		t.Fatal(ErrNotInstalled)
	}
	if bin, err := chooseBin("", folder(t)); err != nil || bin != have[0].bin {
		t.Errorf("without data: %s, %v; want the newest, %s", bin, err, have[0].bin)
	}
	old := folder(t)
	if err := os.WriteFile(filepath.Join(old, "PG_VERSION"), []byte("9.6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if major, err := dataMajor(old); err != nil || major != 9 {
		t.Errorf("dataMajor = %d, %v", major, err)
	}
}
