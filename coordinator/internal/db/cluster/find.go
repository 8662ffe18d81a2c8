package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is in every error that says that no server binaries exist.
var ErrNotInstalled = errors.New("no PostgreSQL server binaries (initdb, postgres) found in /usr/lib/postgresql/*/bin or PATH; " +
	"install them: apt-get install postgresql (or run: make run), or give a database with LUCID_DATABASE_URL")

// installation is a folder of server binaries and its major version.
type installation struct {
	bin   string
	major int
}

// installed lists what this machine has, newest first.
func installed() []installation {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if postgres, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(postgres); err == nil {
			bins = append(bins, filepath.Dir(real))
		}
	}
	var found []installation
	for _, bin := range bins {
		if major, err := majorOf(bin); err == nil {
			found = append(found, installation{bin, major})
		}
	}
	slices.SortStableFunc(found, func(a, b installation) int { return b.major - a.major })
	return found
}

// majorOf asks the binaries themselves for their version.
func majorOf(bin string) (int, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return 0, err
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	return parseVersion(string(out))
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// parseVersion reads the major version from "postgres (PostgreSQL) 15.14 ...".
func parseVersion(s string) (int, error) {
	match := versionPattern.FindStringSubmatch(s)
	if match == nil {
		return 0, fmt.Errorf("%q is not the version of a PostgreSQL server", strings.TrimSpace(s))
	}
	return strconv.Atoi(match[1])
}

// chooseBin picks the binaries for the data folder: those that made it, or the
// newest when there is no data yet. want, when not empty, is the only choice.
func chooseBin(want, data string) (string, error) {
	have := installed()
	if want != "" {
		major, err := majorOf(want)
		if err != nil {
			return "", fmt.Errorf("%s holds no PostgreSQL server: %w", want, err)
		}
		have = []installation{{want, major}}
	}
	if len(have) == 0 {
		return "", ErrNotInstalled
	}
	major, err := dataMajor(data)
	if err != nil || major == 0 {
		return have[0].bin, err
	}
	var names []string
	for _, i := range have {
		if i.major == major {
			return i.bin, nil
		}
		names = append(names, fmt.Sprintf("%d (%s)", i.major, i.bin))
	}
	return "", fmt.Errorf("data folder %s was made by PostgreSQL %d, but this machine has %s. Nothing was changed. "+
		"Install that version (apt-get install postgresql-%d), move the data with pg_upgrade, or choose another folder with --data",
		data, major, strings.Join(names, ", "), major)
}

// dataMajor reads the version that made the data folder, 0 when there is none.
func dataMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("version of data folder: %w", err)
	}
	// Before version 10 the major version had two parts.
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("data folder %s: PG_VERSION holds %q, no version", data, strings.TrimSpace(string(text)))
	}
	return major, nil
}
