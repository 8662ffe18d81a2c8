package coordinator

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
)

func TestNoNewMasterKeyForADatabaseThatIsSealed(t *testing.T) {
	config, _, err := Load(ProfileDev, "", nil, []Override{
		{Key: "database.url", Value: dbtest.URL(t)}, {Key: "data_dir", Value: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
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
