// Package seal owns the master key and everything that lies encrypted under
// it: boxes that other packages store, and named secrets of the installation.
//
// It must never write a plain secret to a log, an error or the database.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/crypto/chacha20poly1305"

	"lucid.internal/shared/proof"
)

// Info strings of what is derived from the master key, so that the master key
// itself never meets a cipher.
const (
	infoKey = "lucid/seal/v1/key"
	infoID  = "lucid/seal/v1/id"
)

// ErrOtherKey says that a box was sealed under another master key.
var ErrOtherKey = errors.New("sealed under another master key: start with the master key file that belongs to this database (an older backup needs the one from before a rotation)")

// ErrBroken says that a box, or the place it was put in, was altered.
var ErrBroken = errors.New("sealed box does not open: its bytes or its place were altered")

// Box seals and opens with XChaCha20-Poly1305. A sealed box is
// key id (1 byte) || nonce (24) || ciphertext || tag (16). It opens what any of
// its master keys sealed, and seals with one of them.
type Box struct{ keys atomic.Pointer[keys] }

// keys are the master keys of a moment.
type keys struct {
	sealing byte
	by      map[byte]cipher.AEAD
}

// New makes the box of one master key.
func New(master proof.Key) *Box {
	b := new(Box)
	b.use(idOf(master), []proof.Key{master})
	return b
}

// use replaces the keys; the one with the id seals.
func (b *Box) use(sealing byte, masters []proof.Key) {
	k := &keys{sealing: sealing, by: make(map[byte]cipher.AEAD, len(masters))}
	for _, master := range masters {
		aead, err := chacha20poly1305.NewX(expand(master, infoKey, chacha20poly1305.KeySize))
		if err != nil {
			panic("seal: a key of 32 bytes cannot be refused: " + err.Error())
		}
		k.by[idOf(master)] = aead
	}
	b.keys.Store(k)
}

// idOf tells a wrong master key from an altered box.
func idOf(master proof.Key) byte { return expand(master, infoID, 1)[0] }

func expand(master proof.Key, info string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, master[:], info, size)
	if err != nil {
		panic("seal: HKDF of a few bytes cannot fail: " + err.Error())
	}
	return out
}

// Seal encrypts plain. additional is not stored but must be given again to
// Open: name the box's owner in it, so that a box moved to another row is
// refused.
func (b *Box) Seal(plain, additional []byte) []byte {
	k := b.keys.Load()
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails: the program ends instead
	sealed := append([]byte{k.sealing}, nonce...)
	return k.by[k.sealing].Seal(sealed, nonce, plain, bind(k.sealing, additional))
}

// Open gives back what was sealed, ErrOtherKey or ErrBroken.
func (b *Box) Open(sealed, additional []byte) ([]byte, error) {
	const head = 1 + chacha20poly1305.NonceSizeX
	if len(sealed) < head+chacha20poly1305.Overhead {
		return nil, fmt.Errorf("%w (%d bytes are too few)", ErrBroken, len(sealed))
	}
	aead, known := b.keys.Load().by[sealed[0]]
	if !known {
		return nil, ErrOtherKey
	}
	plain, err := aead.Open(nil, sealed[1:head], sealed[head:], bind(sealed[0], additional))
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// bind puts the key id under the tag too.
func bind(id byte, additional []byte) []byte {
	return append([]byte{id}, additional...)
}
