// Package identity owns who this node is: its keys, its root secret, and how
// it enrols. It keeps them in one folder that only its user may enter.
//
// It must never send a private key or the root secret anywhere, send a
// request before the keys that it names are on disk, or trust a coordinator
// that does not hold the enrolment key.
package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"lucid.internal/agent/internal/durable"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Files of the state folder.
const (
	identityFile = "identity.json" // written last: it makes the node enrolled
	deviceFile   = "device.key"    // Ed25519, PKCS #8; for the life of the machine
	exchangeFile = "x25519.key"    // X25519, PKCS #8; for one enrolment
	requestFile  = "request.json"  // the request as sent; for one enrolment
)

// ErrNotEnrolled is a state folder without an identity.
var ErrNotEnrolled = errors.New("this machine is not enrolled")

// Identity is an enrolled node; its keys are a Ring.
type Identity struct {
	NodeID  string
	Servers []string // MQTT over TLS, host:port
	CAPEM   string   // the coordinator's own CA
	Device  ed25519.PrivateKey
}

// stored is identity.json.
type stored struct {
	V         int      `json:"v"`
	NodeID    string   `json:"node_id"`
	URL       string   `json:"coordinator,omitempty"` // of the API; none in identities from before it was kept
	MQTT      []string `json:"mqtt"`
	CAPEM     string   `json:"ca_pem"`
	TokenHash []byte   `json:"token_sha256"` // of the token that was used: tells a new enroll.toml from a used one

	EnrolmentKey []byte `json:"enrolment_key,omitempty"` // by which the coordinator signs; none before keys could be rotated

	keyset
}

const storedVersion = 1

// Load reads the identity of an enrolled node; ErrNotEnrolled without one.
func Load(dir string) (*Identity, error) {
	_, s, device, err := load(dir, lookInto)
	if err != nil {
		return nil, err
	}
	return &Identity{NodeID: s.NodeID, Servers: s.MQTT, CAPEM: s.CAPEM, Device: device}, nil
}

func load(dir string, open func(dir string) (folder, error)) (folder, *stored, ed25519.PrivateKey, error) {
	f, err := open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil, nil, ErrNotEnrolled
	}
	if err != nil {
		return f, nil, nil, err
	}
	s, err := f.identity()
	if err != nil {
		return f, nil, nil, err
	}
	device, err := f.deviceKey()
	if err == nil && device == nil {
		err = fmt.Errorf("%s is missing beside the identity: enrol again", f.path(deviceFile))
	}
	return f, s, device, err
}

// identity reads identity.json; ErrNotEnrolled without it.
func (f folder) identity() (*stored, error) {
	b, err := f.read(identityFile)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, ErrNotEnrolled
	}
	s := new(stored)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(identityFile), err)
	}
	switch {
	case s.V != storedVersion:
		return nil, fmt.Errorf("%s has version %d, this agent reads %d", f.path(identityFile), s.V, storedVersion)
	case !wire.ValidNodeID(s.NodeID), len(s.MQTT) == 0,
		slices.ContainsFunc(s.all(), func(r rootSecret) bool { return len(r.Root) != len(proof.Key{}) }):
		return nil, fmt.Errorf("%s is damaged: enrol again", f.path(identityFile))
	}
	return s, nil
}

// holds is nil when the identity there is the one that this token brought.
func (f folder) holds(tokenHash []byte) error {
	current, err := f.identity()
	if err == nil && !bytes.Equal(current.TokenHash, tokenHash) {
		err = ErrReplaced
	}
	return err
}

// deviceKey reads the device's key; nil without one.
func (f folder) deviceKey() (ed25519.PrivateKey, error) {
	key, err := f.key(deviceFile)
	if key == nil || err != nil {
		return nil, err
	}
	device, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a %T, want an Ed25519 key", f.path(deviceFile), key)
	}
	return device, nil
}

// exchangeKey reads the X25519 key of the enrolment under way; nil without
// one.
func (f folder) exchangeKey() (*ecdh.PrivateKey, error) {
	key, err := f.key(exchangeFile)
	if key == nil || err != nil {
		return nil, err
	}
	exchange, ok := key.(*ecdh.PrivateKey)
	if !ok || exchange.Curve() != ecdh.X25519() {
		return nil, fmt.Errorf("%s does not hold an X25519 key", f.path(exchangeFile))
	}
	return exchange, nil
}

// ensureDeviceKey reads the device's key, or makes and keeps one.
func (f folder) ensureDeviceKey() (ed25519.PrivateKey, error) {
	device, err := f.deviceKey()
	if device != nil || err != nil {
		return device, err
	}
	if _, device, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return nil, err
	}
	return device, f.writeKey(deviceFile, device)
}

// newExchangeKey makes and keeps an X25519 key.
func (f folder) newExchangeKey() (*ecdh.PrivateKey, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return key, f.writeKey(exchangeFile, key)
}

// key reads a PKCS #8 private key; nil when the file does not exist.
func (f folder) key(name string) (any, error) {
	b, err := f.read(name)
	if b == nil || err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s is not a PEM private key", f.path(name))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path(name), err)
	}
	return key, nil
}

func (f folder) writeKey(name string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return f.write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// read gives a file's content; nil when it does not exist.
func (f folder) read(name string) ([]byte, error) { return durable.Read(f.path(name)) }
