package wire

import (
	"cmp"
	"errors"
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
	}
	return cmp.Or(
		checkPlaces(r.MQTT, r.CAPEM),
		exactly("x25519_public", r.X25519Public, publicKeyBytes),
		exactly("signature", r.Signature, signatureBytes))
}
