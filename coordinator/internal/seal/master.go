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

	"lucid.internal/coordinator/internal/atomicfile"
	"lucid.internal/shared/proof"
)

// parseMaster reads a master key as it stands in a file or variable: 32 bytes
// in base64 or hex, with or without white space around.
func parseMaster(text []byte) (proof.Key, error) {
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
		key, err := parseMaster(field)
		if err != nil {
			return nil, err
		}
		masters = append(masters, key)
	}
	if len(masters) == 0 {
		_, err = parseMaster(nil)
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
	if err := atomicfile.Replace(s.Path, textOf(masters...)); err != nil {
		return fmt.Errorf("master key file: %w", err)
	}
	return nil
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

// makeMaster writes a new key to a file, unless there is one: a master key that is
// lost after its first use locks the database for ever. made is false where somebody
// else was first.
func makeMaster(path string) (made bool, err error) {
	err = atomicfile.Create(path, textOf(newMaster()))
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func newMaster() (key proof.Key) {
	rand.Read(key[:])
	return key
}

// textOf is how keys stand in a file.
func textOf(masters ...proof.Key) (text []byte) {
	for _, key := range masters {
		text = append(base64.StdEncoding.AppendEncode(text, key[:]), '\n')
	}
	return text
}
