package harness

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/BurntSushi/toml"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// EnrollFile is the part of an enroll.toml that a node of ours needs.
type EnrollFile struct {
	CASHA256      string `toml:"ca_sha256"`
	EnrolmentKey  string `toml:"enrolment_key"` // base64
	Token         string `toml:"token"`
	PayoutAddress string `toml:"payout_address"`
}

// NewToken makes a one-time token, as an operator does; pool "" is none.
func (c *Coordinator) NewToken(ctx context.Context, pool string) (EnrollFile, error) {
	args := []string{"token", "create", "--data", c.Data}
	if pool != "" {
		args = append(args, "--pool", pool)
	}
	text, err := c.Run(ctx, args...)
	if err != nil {
		return EnrollFile{}, err
	}
	var file EnrollFile
	if err := toml.Unmarshal([]byte(text), &file); err != nil {
		return EnrollFile{}, fmt.Errorf("token create printed no enroll.toml: %w\n%s", err, text)
	}
	if file.Token == "" {
		return EnrollFile{}, fmt.Errorf("token create printed an enroll.toml without a token:\n%s", text)
	}
	return file, nil
}

// Device is a machine that has not enrolled yet: its two private keys, and what
// it says of itself.
type Device struct {
	Inventory wire.Inventory
	Signing   ed25519.PrivateKey
	exchange  *ecdh.PrivateKey
}

// NewDevice draws the keys and the serial number of a machine.
func NewDevice() (*Device, error) {
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	var serial [16]byte
	_, _ = rand.Read(serial[:]) // crypto/rand.Read never fails
	return &Device{exchange: exchange, Signing: signing, Inventory: wire.Inventory{
		Model: "End-to-end node", Hostname: "e2e-" + hex.EncodeToString(serial[:4]), OS: "linux", AgentVersion: "e2e",
		CPU: wire.CPUInventory{Model: "e2e", Cores: 4, FrequencyMHz: 1500, Architecture: "arm64"}, MemoryBytes: 4 << 30,
		SerialHash: hex.EncodeToString(append(serial[:], serial[:]...)),
	}}, nil
}

// Request builds the signed request that redeems a token.
func (d *Device) Request(file EnrollFile) (*wire.EnrollRequest, error) {
	inventory, err := json.Marshal(d.Inventory)
	if err != nil {
		return nil, err
	}
	req := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: file.Token, Inventory: inventory, PayoutAddress: file.PayoutAddress,
		X25519Public: d.exchange.PublicKey().Bytes(),
		DevicePublic: d.Signing.Public().(ed25519.PublicKey),
	}
	req.Signature = ed25519.Sign(d.Signing, proof.EnrollRequestTranscript(req))
	return req, nil
}

// Enroll redeems a token over the API and returns the node it became.
func (d *Device) Enroll(ctx context.Context, c *Coordinator, file EnrollFile) (*Node, error) {
	req, err := d.Request(file)
	if err != nil {
		return nil, err
	}
	status, body, err := c.Post(ctx, wire.EnrollPath, req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return nil, fmt.Errorf("enrolment: status %d: %s", status, body)
	}
	var resp wire.EnrollResponse
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&resp); err != nil {
		return nil, fmt.Errorf("enrolment: %w", err)
	}
	keys, err := d.Keys(file, req, &resp)
	if err != nil {
		return nil, err
	}
	return newNode(d, &resp, keys), nil
}

// Keys checks an answer against the token's file and gives the keys that it
// means.
func (d *Device) Keys(file EnrollFile, req *wire.EnrollRequest, resp *wire.EnrollResponse) (proof.Keys, error) {
	if err := verifyEnrolment(file, req, resp); err != nil {
		return proof.Keys{}, err
	}
	root, err := proof.RootFrom(d.exchange, resp.X25519Public, req.Token, proof.EnrollTranscript(req, resp))
	if err != nil {
		return proof.Keys{}, err
	}
	return root.Derive(), nil
}

func verifyEnrolment(file EnrollFile, req *wire.EnrollRequest, resp *wire.EnrollResponse) error {
	raw, err := base64.StdEncoding.DecodeString(file.EnrolmentKey)
	if err != nil {
		return fmt.Errorf("enrolment key of the token's file: %w", err)
	}
	key, err := proof.ParseDeviceKey(raw)
	if err != nil {
		return err
	}
	return proof.VerifyEnrollResponse(key, req, resp)
}

// EnrollNode makes a token and redeems it with a new device.
func (c *Coordinator) EnrollNode(ctx context.Context, pool string) (*Node, error) {
	file, err := c.NewToken(ctx, pool)
	if err != nil {
		return nil, err
	}
	device, err := NewDevice()
	if err != nil {
		return nil, err
	}
	return device.Enroll(ctx, c, file)
}
