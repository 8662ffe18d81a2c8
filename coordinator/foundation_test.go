package coordinator

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

// testConfig is dev's on a database, a data folder and ports of the test's own, with
// what it changes.
func testConfig(t testing.TB, changes ...Override) Config {
	t.Helper()
	config, _, err := Load(ProfileDev, "", nil, append([]Override{
		{Key: "data_dir", Value: t.TempDir()}, {Key: "database.url", Value: dbtest.URL(t)},
		{Key: "api.port", Value: "0"}, {Key: "mqtt.addr", Value: "127.0.0.1:0"},
	}, changes...))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// newFoundation ends with the test.
func newFoundation(t testing.TB, config Config) *Foundation {
	t.Helper()
	f, err := OpenFoundation(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestNoNewMasterKeyForADatabaseThatIsSealed(t *testing.T) {
	config := testConfig(t)
	open := func() error {
		f, err := OpenFoundation(t.Context(), config, slog.New(slog.DiscardHandler))
		if err == nil {
			f.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	home := config.DataDir
	config.DataDir = filepath.Join(t.TempDir(), "elsewhere")
	if err := open(); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("with another data folder: %v", err)
	}
	if _, err := os.Stat(config.DataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the other data folder was made: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(home, MasterKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	config.MasterKey = Secret(strings.TrimSpace(string(key)))
	if err := open(); err != nil {
		t.Errorf("with the made key in the settings: %v", err)
	}
}

// Nodes and pools know what the settings make of a deadline.
func TestDifficultyIsBoundedByTheSettings(t *testing.T) {
	f := newFoundation(t, testConfig(t,
		Override{Key: "poot.puzzles", Value: "8"}, Override{Key: "poot.interval", Value: "10s"},
		Override{Key: "poot.deadline", Value: "1s"}, Override{Key: "poot.difficulty", Value: "14"}))
	const bits = 17 // 8 << 17 hashes are within the 1.25 million of a quarter of a second, 8 << 18 are not
	for d, allowed := range map[int]bool{bits: true, bits + 1: false} {
		want := node.Challenge{Difficulty: &d}
		pools := f.Pools.Check(pool.New{Name: "north", Challenge: want})
		_, _, nodes := f.Nodes.Create(t.Context(), audit.By{Actor: audit.CLI}, node.New{Name: fmt.Sprintf("pi-%d", d), Configuration: &node.Configuration{Challenge: want}})
		if (pools == nil) != allowed || (nodes == nil) != allowed {
			t.Errorf("%d bits: of a pool %v, of a node %v; allowed %t", d, pools, nodes, allowed)
		}
	}
}
