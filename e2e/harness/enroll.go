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

// Device is a machine that has not enrolled yet: its two private keys.
type Device struct {
	exchange *ecdh.PrivateKey
	signing  ed25519.PrivateKey
	serial   [16]byte
}

// NewDevice draws the keys of a machine.
func NewDevice() (*Device, error) {
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	d := &Device{exchange: exchange, signing: signing}
	_, _ = rand.Read(d.serial[:]) // crypto/rand.Read never fails
	return d, nil
}

// Request builds the signed request that redeems a token.
func (d *Device) Request(file EnrollFile) (*wire.EnrollRequest, error) {
	inventory, err := json.Marshal(wire.Inventory{
		Model: "End-to-end node", Hostname: "e2e-" + hex.EncodeToString(d.serial[:4]), OS: "linux", AgentVersion: "e2e",
		CPU: wire.CPUInventory{Model: "e2e", Cores: 4, FrequencyMHz: 1500, Architecture: "arm64"}, MemoryBytes: 4 << 30,
		SerialHash: hex.EncodeToString(append(d.serial[:], d.serial[:]...)),
	})
	if err != nil {
		return nil, err
	}
	req := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: file.Token, Inventory: inventory, PayoutAddress: file.PayoutAddress,
		X25519Public: d.exchange.PublicKey().Bytes(),
		DevicePublic: d.signing.Public().(ed25519.PublicKey),
	}
	req.Signature = ed25519.Sign(d.signing, proof.EnrollRequestTranscript(req))
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
	if err := verifyEnrolment(file, req, &resp); err != nil {
		return nil, err
	}
	root, err := proof.RootFrom(d.exchange, resp.X25519Public, req.Token, proof.EnrollTranscript(req, &resp))
	if err != nil {
		return nil, err
	}
	return newNode(d, &resp, root.Derive()), nil
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
