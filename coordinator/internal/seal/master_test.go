package seal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/shared/proof"
)

func TestMasterKeyIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	first, err := loadOne(path)
	if err != nil {
		t.Fatal(err)
	}
	if first == (proof.Key{}) {
		t.Fatal("the key is all zero")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	second, err := loadOne(path)
	if err != nil || second != first {
		t.Errorf("the second start got another key (%v)", err)
	}
	files, _ := os.ReadDir(filepath.Dir(path))
	if len(files) != 1 {
		t.Errorf("folder holds %v, want only the key", files)
	}
}

// Two starters may both find no file: the later one must not replace the key
// that the first already uses.
func TestMasterKeyOfTheFirstStarterStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if made, err := makeMaster(path); err != nil || !made {
		t.Fatal(made, err)
	}
	first, err := loadOne(path)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := makeMaster(path); err != nil || made {
		t.Fatalf("the second starter made one, too: %t, %v", made, err)
	}
	if second, err := loadOne(path); err != nil || second != first {
		t.Errorf("the second starter replaced the key (%v)", err)
	}
}

func TestMasterKeyFileIsRefused(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"open to the group", good, 0o640, "chmod 600"},
		{"open to all", good, 0o604, "chmod 600"},
		{"empty", "", 0o600, "master key has 0 characters"},
		{"too short", good[:40], 0o600, "not 32 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := loadOne(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names the file and says %q", err, tt.want)
			}
			if after, _ := os.ReadFile(path); string(after) != tt.text {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestParseMaster(t *testing.T) {
	want := proof.Key{0xfb, 0xff, 31: 7}
	for name, text := range map[string]string{
		"base64":     base64.StdEncoding.EncodeToString(want[:]),
		"base64url":  base64.RawURLEncoding.EncodeToString(want[:]),
		"hex":        hex.EncodeToString(want[:]),
		"with space": "\n " + hex.EncodeToString(want[:]) + "\r\n",
	} {
		if got, err := parseMaster([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v, want the key", name, err)
		}
	}
	if _, err := parseMaster([]byte("secret-looking text")); err == nil || strings.Contains(err.Error(), "secret-looking") {
		t.Errorf("error %v must exist and not show the text", err)
	}
}

func loadOne(path string) (proof.Key, error) {
	masters, err := Source{Path: path}.Load()
	if err != nil {
		return proof.Key{}, err
	}
	if len(masters) != 1 {
		return proof.Key{}, fmt.Errorf("%d keys", len(masters))
	}
	return masters[0], nil
}
