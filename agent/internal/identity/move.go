package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// maxCAs bounds how many CAs a coordinator may be known by: two while one
// follows the other.
const maxCAs = 4

// Move takes over where the coordinator is and by which CAs it is known, once
// that is on the disk, and gives the servers to try: those that it names, then
// those of before, which TLS keeps from being anybody else.
func (r *Ring) Move(w *wire.Whereabouts) (servers []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w == nil {
		return nil, errors.New("it does not say where the coordinator is")
	}
	if len(r.stored.EnrolmentKey) == 0 {
		return nil, errNoEnrolmentKey
	}
	if err := proof.VerifyWhereabouts(r.stored.EnrolmentKey, r.stored.NodeID, w); err != nil {
		return nil, fmt.Errorf("it is not signed by the coordinator's enrolment key: %w", err)
	}
	if _, err := parseCAs(w.CAPEM); err != nil {
		return nil, err
	}
	for _, address := range w.MQTT {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("MQTT address %q: %w", address, err)
		}
	}
	changed := r.stored
	changed.CAPEM, changed.MQTT = w.CAPEM, slices.Clone(w.MQTT)
	for _, before := range r.stored.MQTT {
		if !slices.Contains(changed.MQTT, before) && len(changed.MQTT) < wire.MaxBrokers {
			changed.MQTT = append(changed.MQTT, before)
		}
	}
	if err := r.keep(&changed); err != nil {
		return nil, fmt.Errorf("keep where the coordinator is: %w", err)
	}
	r.stored = changed
	return changed.MQTT, nil
}

// parseCAs reads one PEM certificate of a CA after the other, and nothing else.
func parseCAs(text string) (cas []*x509.Certificate, err error) {
	rest := []byte(text)
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("the coordinator's CA is not a PEM certificate")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the coordinator's CA: %w", err)
		}
		if !c.IsCA {
			return nil, fmt.Errorf("the coordinator's CA %q is no CA", c.Subject.CommonName)
		}
		cas = append(cas, c)
	}
	if len(cas) == 0 || len(cas) > maxCAs {
		return nil, fmt.Errorf("the coordinator names %d CAs, want 1 to %d", len(cas), maxCAs)
	}
	return cas, nil
}
