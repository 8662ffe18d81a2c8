package wallet

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"lucid.internal/coordinator/internal/atomicfile"
	"lucid.internal/coordinator/internal/tron"
)

// What one guess of the passphrase costs: the first choice of RFC 9106 for
// machines with little memory, 64 MiB and three passes.
const (
	memoryKiB = 64 << 10
	passes    = 3
	threads   = 4
	saltBytes = 16

	leastPassphrase = 12 // characters
	maxFileBytes    = 4096
)

// file is the wallet as it lies on the disk. Everything but Box stands open
// and is bound to the box: altered, it does not open.
type file struct {
	Version   int    `json:"version"`
	Address   string `json:"address"`
	KDF       string `json:"kdf"`
	MemoryKiB uint32 `json:"memory_kib"`
	Passes    uint32 `json:"passes"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"`
	Cipher    string `json:"cipher"`
	Nonce     []byte `json:"nonce"`
	Box       []byte `json:"box,omitempty"`
}

// Key is a signing key in memory.
type Key struct{ private *secp256k1.PrivateKey }

// Address is where the key's money lies.
func (k *Key) Address() tron.Address { return tron.AddressOf(k.private.PubKey()) }

// Sign signs the transaction of these raw bytes.
func (k *Key) Sign(_ context.Context, raw []byte) (tron.Signature, error) {
	return tron.Sign(k.private, tron.IDOf(raw)), nil
}

// String keeps the key out of texts, whatever prints it.
func (k *Key) String() string { return "key of " + k.Address().String() }

// GoString does so for %#v.
func (k *Key) GoString() string { return k.String() }

// Format does so for every other verb.
func (k *Key) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// Create makes a new key and writes it to path, which must not exist yet.
func Create(path, passphrase string) (*Key, error) {
	private, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("make a wallet key: %w", err)
	}
	key := &Key{private}
	return key, key.write(path, passphrase)
}

func (k *Key) write(path, passphrase string) error {
	if len([]rune(passphrase)) < leastPassphrase {
		return fmt.Errorf("the wallet's passphrase needs at least %d characters", leastPassphrase)
	}
	f := file{
		Version: 1, Address: k.Address().String(), KDF: "argon2id", MemoryKiB: memoryKiB, Passes: passes, Threads: threads,
		Salt: make([]byte, saltBytes), Cipher: "xchacha20poly1305", Nonce: make([]byte, chacha20poly1305.NonceSizeX),
	}
	rand.Read(f.Salt) // never fails: the program ends instead
	rand.Read(f.Nonce)
	bound, err := json.Marshal(f)
	if err != nil {
		return err
	}
	aead, err := f.aead(passphrase)
	if err != nil {
		return err
	}
	f.Box = aead.Seal(nil, f.Nonce, k.private.Serialize(), bound)
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return writeNew(path, append(text, '\n'))
}

// writeNew writes a file that does not exist yet, whole or not at all.
func writeNew(path string, text []byte) error {
	err := atomicfile.Create(path, text)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: a wallet is never overwritten, its key may hold money", path)
	}
	if err != nil {
		return fmt.Errorf("write the wallet: %w", err)
	}
	return nil
}

// Open reads the key of a file that Create wrote.
func Open(path, passphrase string) (*Key, error) {
	f, err := read(path)
	if err != nil {
		return nil, err
	}
	box := f.Box
	f.Box = nil
	bound, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	aead, err := f.aead(passphrase)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, f.Nonce, box, bound)
	if err != nil {
		return nil, fmt.Errorf("wallet %s does not open: the passphrase is wrong, or the file was altered", path)
	}
	defer clear(plain)
	key := &Key{secp256k1.PrivKeyFromBytes(plain)}
	if key.Address().String() != f.Address {
		return nil, fmt.Errorf("wallet %s holds the key of another address than it says", path)
	}
	return key, nil
}

// AddressIn is the address that a wallet file names; it opens nothing.
func AddressIn(path string) (tron.Address, error) {
	f, err := read(path)
	if err != nil {
		return tron.Address{}, err
	}
	return tron.ParseAddress(f.Address)
}

func read(path string) (f file, err error) {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("there is no wallet %s: `wallet create` makes one, for payouts over TRON (%w)", path, fs.ErrNotExist)
	}
	if err != nil {
		return f, fmt.Errorf("open the wallet: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return f, fmt.Errorf("open the wallet: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return f, fmt.Errorf("wallet %s may be read by others: chmod 600 it", path)
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFileBytes))
	if err != nil {
		return f, fmt.Errorf("read the wallet: %w", err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("wallet %s is no wallet file", path) // the error would quote it
	}
	// Other costs than ours are refused: a file must not exhaust the machine.
	if f.Version != 1 || f.KDF != "argon2id" || f.Cipher != "xchacha20poly1305" || f.MemoryKiB != memoryKiB ||
		f.Passes != passes || f.Threads != threads || len(f.Nonce) != chacha20poly1305.NonceSizeX {
		return f, fmt.Errorf("wallet %s is of a kind that this version does not know", path)
	}
	return f, nil
}

func (f file) aead(passphrase string) (cipher.AEAD, error) {
	key := argon2.IDKey([]byte(passphrase), f.Salt, f.Passes, f.MemoryKiB, f.Threads, chacha20poly1305.KeySize)
	defer clear(key)
	return chacha20poly1305.NewX(key)
}
