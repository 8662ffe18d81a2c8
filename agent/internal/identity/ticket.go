package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
)

// Ticket is an enroll.toml: where to enrol, whom to trust, and the one-time
// token.
type Ticket struct {
	Coordinator   *url.URL
	CAPin         [32]byte // SHA-256 of the CA's SubjectPublicKeyInfo
	EnrolmentKey  ed25519.PublicKey
	Token         string
	PayoutAddress string // optional
}

// ReadTicket reads an enroll.toml. Its error names every key that is wrong.
func ReadTicket(path string) (*Ticket, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := ParseTicket(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// ParseTicket parses the text of an enroll.toml.
func ParseTicket(text string) (*Ticket, error) {
	var file struct {
		Coordinator   string `toml:"coordinator"`
		CASHA256      string `toml:"ca_sha256"`
		EnrolmentKey  string `toml:"enrolment_key"`
		Token         string `toml:"token"`
		PayoutAddress string `toml:"payout_address"`
	}
	meta, err := toml.Decode(text, &file)
	if err != nil {
		return nil, err
	}
	t := &Ticket{Token: file.Token, PayoutAddress: file.PayoutAddress}
	var wrong []error
	for _, key := range meta.Undecoded() {
		wrong = append(wrong, fmt.Errorf("%s: no such key", key))
	}
	if t.Coordinator, err = parseCoordinator(file.Coordinator); err != nil {
		wrong = append(wrong, fmt.Errorf("coordinator: %w", err))
	}
	pin, err := hex.DecodeString(file.CASHA256)
	if err != nil || len(pin) != len(t.CAPin) {
		wrong = append(wrong, errors.New("ca_sha256: want 64 hexadecimal digits"))
	}
	copy(t.CAPin[:], pin)
	key, err := base64.StdEncoding.DecodeString(file.EnrolmentKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		wrong = append(wrong, errors.New("enrolment_key: want an Ed25519 public key, 32 bytes in base64"))
	}
	t.EnrolmentKey = key
	if t.Token == "" {
		wrong = append(wrong, errors.New("token: missing"))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return t, nil
}

// parseCoordinator accepts an https address, or a plain http one of this
// machine itself.
func parseCoordinator(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errors.New("missing")
	case err != nil:
		return nil, err
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q is not an address such as https://coordinator.example:8095", s)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		return nil, fmt.Errorf("%q has more than scheme, host and port", s)
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, fmt.Errorf("%q: plain http goes to this machine only, use https", s)
	}
	return nil, fmt.Errorf("%q: want https", s)
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}
