package wallet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/tron"
)

const passphrase = "correct horse battery"

func create(t *testing.T) (string, *Key) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wallet.json")
	key, err := Create(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return path, key
}

func TestWalletOpensWithItsPassphraseOnly(t *testing.T) {
	path, key := create(t)
	again, err := Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("raw bytes")
	signature, _ := again.Sign(t.Context(), raw)
	if by, err := signature.Recover(tron.IDOf(raw)); err != nil || by != key.Address() {
		t.Errorf("signs as %s (%v), want %s", by, err, key.Address())
	}
	if named, err := AddressIn(path); err != nil || named != key.Address() {
		t.Errorf("names %s, %v", named, err)
	}
	if _, err := Open(path, passphrase+"x"); err == nil || !strings.Contains(err.Error(), "passphrase is wrong") {
		t.Errorf("another passphrase: %v", err)
	}
}

func TestWalletIsNeverOverwritten(t *testing.T) {
	path, key := create(t)
	if _, err := Create(path, passphrase); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("second Create: %v", err)
	}
	if again, err := Open(path, passphrase); err != nil || again.Address() != key.Address() {
		t.Errorf("the first key is gone: %v", err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "w"), "short"); err == nil {
		t.Error("a passphrase of five characters passes")
	}
}

// Whatever is changed in the file, it does not open as something else.
func TestAlteredWalletDoesNotOpen(t *testing.T) {
	path, _ := create(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(f *file){
		"address": func(f *file) { f.Address = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb" },
		"salt":    func(f *file) { f.Salt[0] ^= 1 },
		"nonce":   func(f *file) { f.Nonce[0] ^= 1 },
		"box":     func(f *file) { f.Box[0] ^= 1 },
		"memory":  func(f *file) { f.MemoryKiB = 1 << 30 },
		"version": func(f *file) { f.Version = 2 },
	} {
		var f file
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		altered, _ := json.Marshal(f)
		if err := os.WriteFile(path, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, passphrase); err == nil {
			t.Errorf("opens with another %s", name)
		}
	}
}

func TestWalletThatOthersMayReadIsRefused(t *testing.T) {
	path, _ := create(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, passphrase); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("mode 644: %v", err)
	}
}

// The key stands in no file, log or text in the clear.
func TestKeyStaysInside(t *testing.T) {
	path, key := create(t)
	secret := key.private.Serialize()
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("wallet", "key", key, "all", []any{*key, struct{ K *Key }{key}})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("wallet", "key", key, "all", struct{ K *Key }{key})
	onDisk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join([]string{log.String(), string(onDisk), fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s %x %d", key, key, key, key, key, key)}, "\n")
	for _, form := range []string{string(secret), hex.EncodeToString(secret), fmt.Sprint(secret), key.private.Key.String()} {
		if strings.Contains(strings.ToLower(all), strings.ToLower(form)) {
			t.Error("the key stands in a text or on the disk")
		}
	}
	if !strings.Contains(all, key.Address().String()) {
		t.Error("the texts do not say whose key it is")
	}
}

// signer writes a shell script that is the outside signer.
func signer(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signer")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOutsideSignerIsChecked(t *testing.T) {
	_, key := create(t)
	_, thief := create(t)
	raw := []byte("raw bytes")
	good, _ := key.Sign(t.Context(), raw)
	bad, _ := thief.Sign(t.Context(), raw)
	for name, c := range map[string]struct{ script, wrong string }{
		"right":           {"read line; case $line in *" + tron.IDOf(raw).String() + "*) echo " + good.String() + ";; esac", ""},
		"another key":     {"echo " + bad.String(), "another key"},
		"no signature":    {"echo sorry", "something else"},
		"fails":           {"exit 3", "exit status 3"},
		"talks too much":  {"while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa || exit; done", "signer"},
		"sees no secrets": {"test -z \"$HOME\" && echo " + good.String(), ""},
	} {
		command, err := NewCommand(key.Address(), signer(t, c.script))
		if err != nil {
			t.Fatal(err)
		}
		signature, err := command.Sign(t.Context(), raw)
		if c.wrong == "" && (err != nil || signature != good) || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v, %v", name, signature, err)
		}
	}
}
