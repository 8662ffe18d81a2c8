package proof

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// Key is 256 bits of secret. No way of printing shows it, except when it lies
// in an unexported field of a struct that is printed: fmt calls no methods there.
type Key [32]byte

// Info strings of the keys that come from a root (HKDF-Expand, RFC 5869).
const (
	infoRoot      = "lucid/keys/v1/root"
	infoMQTT      = "lucid/keys/v1/mqtt-password"
	infoChallenge = "lucid/keys/v1/challenge"
	infoResponse  = "lucid/keys/v1/response"
	infoCommand   = "lucid/keys/v1/command"
	infoPuzzle    = "lucid/poot/v1/puzzle"
)

// Keys are derived from a node's root secret, on both sides alike.
type Keys struct {
	MQTTPassword string // base64url, the password of the node's MQTT login
	Challenge    Key    // MAC of coordinator -> node
	Response     Key    // MAC of node -> coordinator
	Command      Key    // MAC of commands and configuration
}

// RootFrom derives the root secret of an enrolment:
// HKDF-SHA256(secret = X25519(private, peer) || token, salt = SHA-256(transcript)).
// The peer's key is refused when it is not 32 bytes or yields the zero secret.
func RootFrom(private *ecdh.PrivateKey, peerPublic []byte, token string, transcript []byte) (Key, error) {
	peer, err := ecdh.X25519().NewPublicKey(peerPublic)
	if err != nil {
		return Key{}, fmt.Errorf("X25519 public key: %w", err)
	}
	shared, err := private.ECDH(peer)
	if err != nil {
		return Key{}, fmt.Errorf("X25519: %w", err)
	}
	salt := sha256.Sum256(transcript)
	root, err := hkdf.Key(sha256.New, append(shared, token...), salt[:], infoRoot, len(Key{}))
	if err != nil {
		return Key{}, fmt.Errorf("HKDF: %w", err)
	}
	return Key(root), nil
}

// Derive gives the working keys of a root, which k is.
func (k Key) Derive() Keys {
	password := k.expand(infoMQTT)
	return Keys{
		MQTTPassword: base64.RawURLEncoding.EncodeToString(password[:]),
		Challenge:    k.expand(infoChallenge),
		Response:     k.expand(infoResponse),
		Command:      k.expand(infoCommand),
	}
}

// PuzzleKey derives the coordinator's own puzzle key from its master key, which
// k is.
func (k Key) PuzzleKey() Key { return k.expand(infoPuzzle) }

func (k Key) expand(info string) Key {
	derived, err := hkdf.Expand(sha256.New, k[:], info, len(Key{}))
	if err != nil {
		panic("proof: HKDF of 32 bytes cannot fail: " + err.Error())
	}
	return Key(derived)
}

func (k Key) mac(message []byte) [32]byte {
	h := hmac.New(sha256.New, k[:])
	h.Write(message)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// ParseDeviceKey checks the length of an Ed25519 public key.
func ParseDeviceKey(b []byte) (ed25519.PublicKey, error) {
	if len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("ed25519 public key has %d bytes, want %d", len(b), ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(b), nil
}
