package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// GiveUp tells the coordinator that this machine gives its node up, signed by
// the device key: the coordinator retires the node's keys and deletes it. It may
// be told again: a coordinator that knows the node no more has nothing left to
// do. address is where the coordinator's API is; "": where this machine enrolled.
// Nothing changes here: Forget does that, once it is told.
func GiveUp(ctx context.Context, dir, address string, now time.Time) (nodeID string, err error) {
	_, s, device, err := load(dir, lookInto)
	if err != nil {
		return "", err
	}
	coordinator, err := s.coordinator(address)
	if err != nil {
		return s.NodeID, err
	}
	trust, err := s.trust()
	if err != nil {
		return s.NodeID, err
	}
	c := &wire.SignedChange{V: wire.ProtocolVersion, NodeID: s.NodeID, Field: wire.FieldEnrolment, Value: wire.EnrolmentEnded, SignedMs: now.UnixMilli()}
	proof.SignChange(device, c)
	_, err = post(ctx, "giving up "+s.NodeID, coordinator.JoinPath(wire.UnenrollPath(s.NodeID)).String(), trust, c)
	if refusal, ok := errors.AsType[*Refusal](err); ok && refusal.Code == wire.CodeNodeNotFound {
		return s.NodeID, nil
	}
	return s.NodeID, err
}

// Forget removes the identity. The device key stays, which is the machine's; a
// package's purge removes it.
func Forget(dir string) error {
	f, err := lookInto(dir)
	if err != nil {
		return err
	}
	return f.remove(identityFile)
}

// coordinator is the address of its API.
func (s *stored) coordinator(address string) (*url.URL, error) {
	if address == "" {
		address = s.URL
	}
	if address == "" {
		return nil, errors.New("this machine enrolled before an agent kept where its coordinator is: name its API with --coordinator https://HOST:PORT")
	}
	u, err := parseCoordinator(address)
	if err != nil {
		return nil, fmt.Errorf("coordinator: %w", err)
	}
	return u, nil
}

// trust takes a coordinator that shows a certificate by the CAs of the
// enrolment, or by those that followed them.
func (s *stored) trust() (*tls.Config, error) {
	cas, err := parseCAs(s.CAPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}, nil
}
