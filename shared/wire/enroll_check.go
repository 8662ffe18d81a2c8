package wire

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of an enrolment beyond those of every message.
const (
	MaxBrokers    = 16
	MaxCAPEMBytes = 16 << 10
)

// Lengths fixed by X25519 and Ed25519.
const (
	publicKeyBytes = 32
	signatureBytes = 64
)

// DecodeEnrollRequest parses and checks the form of a request, its inventory
// included. Whether the signature is genuine is for package proof to tell.
func DecodeEnrollRequest(body []byte) (*EnrollRequest, error) {
	r := new(EnrollRequest)
	if err := decode("an enrolment request", body, r); err != nil {
		return nil, err
	}
	if err := cmp.Or(
		version(r.V),
		required("token", r.Token),
		exactly("x25519_public", r.X25519Public, publicKeyBytes),
		exactly("device_public", r.DevicePublic, publicKeyBytes),
		exactly("signature", r.Signature, signatureBytes),
		text("payout_address", r.PayoutAddress),
	); err != nil {
		return nil, err
	}
	if len(r.EnrolmentKey) > 0 {
		if err := exactly("enrolment_key", r.EnrolmentKey, publicKeyBytes); err != nil {
			return nil, err
		}
	}
	if _, err := DecodeInventory(r.Inventory); err != nil {
		return nil, err
	}
	return r, nil
}

// DecodeEnrollResponse parses and checks the form of an answer. Its signature
// must be verified before anything in it is believed.
func DecodeEnrollResponse(body []byte) (*EnrollResponse, error) {
	r := new(EnrollResponse)
	if err := decode("an enrolment response", body, r); err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *EnrollResponse) check() error {
	switch {
	case r.V != ProtocolVersion:
		return version(r.V)
	case !ValidNodeID(r.NodeID):
		return errors.New("node_id is not a node id")
	case r.KeyEpoch == 0:
		return errors.New("key epochs start at 1")
	case len(r.MQTT) == 0 || len(r.MQTT) > MaxBrokers:
		return fmt.Errorf("mqtt has %d addresses, want 1 to %d", len(r.MQTT), MaxBrokers)
	case r.CAPEM == "" || len(r.CAPEM) > MaxCAPEMBytes:
		return fmt.Errorf("ca_pem has %d bytes, want 1 to %d", len(r.CAPEM), MaxCAPEMBytes)
	case !utf8.ValidString(r.CAPEM) || strings.ContainsRune(r.CAPEM, 0):
		return errors.New("ca_pem is not text")
	}
	for _, address := range r.MQTT {
		if err := required("mqtt", address); err != nil {
			return err
		}
	}
	return cmp.Or(
		exactly("x25519_public", r.X25519Public, publicKeyBytes),
		exactly("signature", r.Signature, signatureBytes))
}
