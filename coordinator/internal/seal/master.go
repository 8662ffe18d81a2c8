package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lucid.internal/shared/proof"
)

// ParseMaster reads a master key as it stands in a file or variable: 32 bytes
// in base64 or hex, with or without white space around.
func ParseMaster(text []byte) (proof.Key, error) {
	text = bytes.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(string(text)); err == nil && len(key) == len(proof.Key{}) {
			return proof.Key(key), nil
		}
	}
	return proof.Key{}, fmt.Errorf("master key has %d characters that are not 32 bytes in base64 or hex: make one with openssl rand -base64 32", len(text))
}

// LoadMaster reads the master key file, and makes it at the first start. Of
// two coordinators that start at once both get the same key. A file that
// others may read is refused.
func LoadMaster(path string) (proof.Key, error) {
	key, err := readMaster(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeMaster(path); err != nil {
		return proof.Key{}, fmt.Errorf("making master key file: %w", err)
	}
	return readMaster(path)
}

func readMaster(path string) (proof.Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return proof.Key{}, fmt.Errorf("master key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return proof.Key{}, fmt.Errorf("master key file %s has mode %04o, so others can read it: chmod 600 it, and if strangers had access, restore from a safe key", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return proof.Key{}, fmt.Errorf("master key file: %w", err)
	}
	key, err := ParseMaster(text)
	if err != nil {
		return proof.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeMaster writes a whole key beside the path and links it there: the path
// never shows a part of a key, and an existing key is never replaced.
func makeMaster(path string) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".master-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	key := make([]byte, len(proof.Key{}))
	rand.Read(key)
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the new name survive a power cut: a master key that is lost
// after its first use locks the database for ever.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
