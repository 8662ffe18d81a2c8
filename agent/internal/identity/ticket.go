package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"lucid.internal/agent/internal/tomlfile"
	"lucid.internal/shared/address"
)

// ErrTicket is an enroll.toml with faults: to try again with the same file does
// not help.
var ErrTicket = errors.New("wrong enrolment file")

var errMissing = errors.New("missing")

// Ticket is an enroll.toml: where to enrol, whom to trust, and the one-time
// token.
type Ticket struct {
	Coordinator   *url.URL
	CAPin         [32]byte // SHA-256 of the CA's SubjectPublicKeyInfo
	EnrolmentKey  ed25519.PublicKey
	Token         string
	PayoutAddress string // optional
}

// ReadTicket reads an enroll.toml. Its error names every key that is wrong, with
// file and line; it is an ErrTicket unless the file cannot be read at all.
func ReadTicket(path string) (*Ticket, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := ParseTicket(path, string(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTicket, err)
	}
	return t, nil
}

// ParseTicket parses the text of an enroll.toml, which came from the file of that
// name.
func ParseTicket(file, text string) (*Ticket, error) {
	entries, err := tomlfile.Parse(file, text)
	if err != nil {
		return nil, err
	}
	t := new(Ticket)
	var wrong []error
	keys, places := t.keys(), make(map[string]string, len(entries))
	for _, e := range entries {
		key := strings.ToLower(e.Key) // Token is understood as token is; TOML tells the two apart
		if place, twice := places[key]; twice {
			wrong = append(wrong, e.Fault(fmt.Errorf("given already at %s", place)))
			continue
		}
		places[key] = e.Place
		if err := take(e, keys[key]); err != nil {
			wrong = append(wrong, e.Fault(err))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if _, given := places[key]; given {
			continue
		}
		if err := keys[key](""); err != nil { // what is left out says nothing
			wrong = append(wrong, tomlfile.Entry{Key: key, Place: file}.Fault(err))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return t, nil
}

// keys are all that an enroll.toml may hold, in small letters, each with what takes
// its text.
func (t *Ticket) keys() map[string]func(text string) error {
	return map[string]func(string) error{
		"coordinator":    func(text string) (err error) { t.Coordinator, err = parseCoordinator(text); return err },
		"ca_sha256":      func(text string) (err error) { t.CAPin, err = parsePin(text); return err },
		"enrolment_key":  func(text string) (err error) { t.EnrolmentKey, err = parseEnrolmentKey(text); return err },
		"token":          func(text string) (err error) { t.Token, err = text, present(text); return err },
		"payout_address": func(text string) (err error) { t.PayoutAddress, err = text, checkPayee(text); return err },
	}
}

func take(e tomlfile.Entry, set func(text string) error) error {
	if set == nil {
		return errors.New("no such key")
	}
	text, err := e.Text()
	if err != nil {
		return err
	}
	return set(text)
}

func present(text string) error {
	if text == "" {
		return errMissing
	}
	return nil
}

func parsePin(text string) (pin [32]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(pin) {
		return pin, errors.New("want 64 hexadecimal digits")
	}
	return [32]byte(b), nil
}

func parseEnrolmentKey(text string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("want an Ed25519 public key, 32 bytes in base64")
	}
	return key, nil
}

// checkPayee is for whoever has no screen to read the coordinator's refusal on.
func checkPayee(text string) error {
	if text == "" {
		return nil
	}
	return address.Check(text)
}

// parseCoordinator accepts an https address, or a plain http one of this
// machine itself.
func parseCoordinator(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return nil, errMissing
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
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
