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
var ErrOtherKey = errors.New("sealed under another master key: start with the master key file that belongs to this database")

// ErrBroken says that a box, or the place it was put in, was altered.
var ErrBroken = errors.New("sealed box does not open: its bytes or its place were altered")

// Box seals and opens with XChaCha20-Poly1305. A sealed box is
// key id (1 byte) || nonce (24) || ciphertext || tag (16).
type Box struct {
	aead cipher.AEAD
	id   byte // tells a wrong master key from an altered box
}

// New makes the box of a master key.
func New(master proof.Key) *Box {
	aead, err := chacha20poly1305.NewX(expand(master, infoKey, chacha20poly1305.KeySize))
	if err != nil {
		panic("seal: a key of 32 bytes cannot be refused: " + err.Error())
	}
	return &Box{aead: aead, id: expand(master, infoID, 1)[0]}
}

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
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	rand.Read(nonce) // never fails: the program ends instead
	sealed := append([]byte{b.id}, nonce...)
	return b.aead.Seal(sealed, nonce, plain, b.bind(additional))
}

// Open gives back what was sealed, ErrOtherKey or ErrBroken.
func (b *Box) Open(sealed, additional []byte) ([]byte, error) {
	const head = 1 + chacha20poly1305.NonceSizeX
	if len(sealed) < head+chacha20poly1305.Overhead {
		return nil, fmt.Errorf("%w (%d bytes are too few)", ErrBroken, len(sealed))
	}
	if sealed[0] != b.id {
		return nil, ErrOtherKey
	}
	plain, err := b.aead.Open(nil, sealed[1:head], sealed[head:], b.bind(additional))
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// bind puts the key id under the tag too.
func (b *Box) bind(additional []byte) []byte {
	return append([]byte{b.id}, additional...)
}
