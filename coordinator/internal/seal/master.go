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

// ParseMasters reads master keys one after the other, with white space between:
// more than one while they are rotated.
func ParseMasters(text []byte) (masters []proof.Key, err error) {
	for _, field := range bytes.Fields(text) {
		key, err := ParseMaster(field)
		if err != nil {
			return nil, err
		}
		masters = append(masters, key)
	}
	if len(masters) == 0 {
		_, err = ParseMaster(nil)
	}
	return masters, err
}

// Source is where the master keys come from: a file, which is made at the
// first start, or keys that the settings hold.
type Source struct {
	Path string
	Keys []proof.Key // without a Path
	Made func()      // told once the file was made; may be nil
}

// Load reads the keys. Of two coordinators that start at once both get the
// same. A file that others may read is refused.
func (s Source) Load() ([]proof.Key, error) {
	if s.Path == "" {
		return s.Keys, nil
	}
	masters, err := readMasters(s.Path)
	if !errors.Is(err, fs.ErrNotExist) {
		return masters, err
	}
	made, err := makeMaster(s.Path)
	if err != nil {
		return nil, fmt.Errorf("making master key file: %w", err)
	}
	if made && s.Made != nil {
		s.Made()
	}
	return readMasters(s.Path)
}

// replace writes the file anew as a whole. Who calls it holds the lock.
func (s Source) replace(masters ...proof.Key) error {
	file, err := writeMasters(filepath.Dir(s.Path), masters)
	if err != nil {
		return fmt.Errorf("master key file: %w", err)
	}
	if err := os.Rename(file, s.Path); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return syncDir(filepath.Dir(s.Path))
}

func readMasters(path string) ([]proof.Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("master key file %s has mode %04o, so others can read it: chmod 600 it, and if strangers had access, restore from a safe key", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	masters, err := ParseMasters(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return masters, nil
}

// makeMaster writes a whole key beside the path and links it there: the path
// never shows a part of a key, and an existing key is never replaced. made is
// false where somebody else was first.
func makeMaster(path string) (made bool, err error) {
	dir := filepath.Dir(path)
	file, err := writeMasters(dir, []proof.Key{newMaster()})
	if err != nil {
		return false, err
	}
	defer os.Remove(file)
	err = os.Link(file, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return err == nil, syncDir(dir)
}

func newMaster() (key proof.Key) {
	rand.Read(key[:])
	return key
}

// writeMasters gives the name of a new file in the folder that holds the keys.
func writeMasters(dir string, masters []proof.Key) (name string, err error) {
	file, err := os.CreateTemp(dir, ".master-*") // 0600
	if err != nil {
		return "", err
	}
	for _, key := range masters {
		if _, err = file.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n"); err != nil {
			break
		}
	}
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
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
