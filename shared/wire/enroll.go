package wire

import "encoding/json"

// EnrollPath is where enrolment lives on the coordinator's API.
const EnrollPath = "/api/v1/enroll"

// EnrollRequest asks for a node identity. The device signs it (see
// proof.EnrollTranscript). The same request may be sent again: the same
// answer comes back.
type EnrollRequest struct {
	V             int             `json:"v"`
	Token         string          `json:"token"`
	X25519Public  []byte          `json:"x25519_public"` // 32 bytes, made on the device
	DevicePublic  []byte          `json:"device_public"` // Ed25519, 32 bytes
	Inventory     json.RawMessage `json:"inventory"`     // an Inventory; raw, because its bytes are signed
	PayoutAddress string          `json:"payout_address,omitempty"`
	// EnrolmentKey is the coordinator's key that the device will accept an answer
	// of. Not signed: it only lets a coordinator that has another one refuse
	// before it makes a node of which the device would never know.
	EnrolmentKey []byte `json:"enrolment_key,omitempty"`
	Signature    []byte `json:"signature"` // Ed25519 of the request transcript by the device key
}

// EnrollResponse is the identity given. Signature is made by the
// coordinator's enrolment key over the whole transcript.
type EnrollResponse struct {
	V            int      `json:"v"`
	NodeID       string   `json:"node_id"`
	KeyEpoch     uint32   `json:"key_epoch"`
	X25519Public []byte   `json:"x25519_public"`
	MQTT         []string `json:"mqtt"`   // host:port, TLS
	CAPEM        string   `json:"ca_pem"` // the project's own CA
	Signature    []byte   `json:"signature"`
}
