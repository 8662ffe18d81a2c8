package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/coordinator/internal/webhook"
	"lucid.internal/shared/proof"
)

// MasterKeyFile is where the master key lies in a data folder.
const MasterKeyFile = "master.key"

// openRing loads the master keys, and what follows from them.
func (f *Foundation) openRing(ctx context.Context) error {
	source, err := f.masterSource(ctx)
	if err != nil {
		return err
	}
	if f.ring, err = seal.OpenRing(ctx, f.DB, source); err != nil {
		return err
	}
	f.box = f.ring.Box
	f.secrets = seal.NewStore(f.DB, f.box)
	// Kept, so that challenges which are open while the master key is rotated
	// are judged by what they were made with.
	puzzleKey, err := f.secrets.Secret(ctx, "puzzle_key", func() ([]byte, error) {
		master, err := f.ring.Sealing()
		key := master.PuzzleKey()
		return key[:], err
	})
	if err == nil && len(puzzleKey) != len(f.puzzleKey) {
		err = fmt.Errorf("sealed secret puzzle_key has %d bytes, want %d", len(puzzleKey), len(f.puzzleKey))
	}
	if err != nil {
		return err
	}
	f.puzzleKey = proof.Key(puzzleKey)
	return nil
}

func (f *Foundation) closeRing() {
	if f.ring == nil {
		return
	}
	if err := f.ring.Close(context.Background()); err != nil {
		f.Log.Debug("not taken off the list of programs that run", "error", err)
	}
}

// masterSource is the key that was set, else the file in the data folder, which
// is made there only for a database that is sealed under none.
func (f *Foundation) masterSource(ctx context.Context) (seal.Source, error) {
	if f.Config.MasterKey != "" {
		keys, err := f.Config.MasterKeys()
		return seal.Source{Keys: keys}, err
	}
	file := filepath.Join(f.Config.DataDir, MasterKeyFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		used, err := seal.InUse(ctx, f.DB)
		if err != nil {
			return seal.Source{}, err
		}
		if used {
			return seal.Source{}, fmt.Errorf("no master key at %s, but this database is sealed under one: "+
				"name the coordinator's data folder with --data, or its key with LUCID_MASTER_KEY_FILE", file)
		}
	}
	if err := os.MkdirAll(f.Config.DataDir, 0o700); err != nil {
		return seal.Source{}, fmt.Errorf("data folder: %w", err)
	}
	return seal.Source{Path: file, Made: func() {
		f.NewMasterKey = file
		f.Log.Warn("a new master key was made: keep a copy apart from the backups of the database, which are worth nothing without it (docs/keys.md)", "file", file)
	}}, nil
}

// sealedTables are all that hold boxes.
func sealedTables() []seal.Table {
	return append(node.SealedTables(), seal.SecretTable(), webhook.SealedTable())
}

// RotateMaster makes a new master key and seals everything anew under it, while
// coordinators run; tell gets what it is at. Interrupted, it goes on where it
// was when it is called again.
func (f *Foundation) RotateMaster(ctx context.Context, tell func(string)) error {
	return seal.Rotation{Ring: f.ring, Tables: sealedTables(), By: ByCLI(), Tell: tell}.Run(ctx)
}

// keyAge is at which age a node's key is rotated. Never by itself behind another's
// broker: until that is given the new passwords, a node that comes back is refused.
func (f *Foundation) keyAge() time.Duration {
	if f.Config.MQTT.Broker == BrokerExternal {
		return 0
	}
	return f.Config.Node.KeyAge
}

// RotateCA makes the next CA, which follows the present one by and by.
func (f *Foundation) RotateCA(ctx context.Context, overlap time.Duration) error {
	_, err := f.Authority.Rotate(ctx, ByCLI(), f.DB, overlap)
	return err
}
