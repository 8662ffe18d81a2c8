package wire

import (
	"cmp"
	"errors"
)

// SignedChange is something of a node that its device key decides: who holds
// the machine signs it (proof.SignChange), whoever carries it.
type SignedChange struct {
	V         int    `json:"v"`
	NodeID    string `json:"node_id"`
	Field     string `json:"field"` // FieldPayoutAddress, FieldEnrolment
	Value     string `json:"value"`
	SignedMs  int64  `json:"signed_ms"` // by the machine's clock; rises with every change of the node
	Signature []byte `json:"signature"` // Ed25519, 64 bytes
}

// FieldPayoutAddress is where a node's earnings are paid to.
const FieldPayoutAddress = "payout_address"

// FieldEnrolment is whether the machine is the node; its one value is
// EnrolmentEnded: it gives the node up.
const (
	FieldEnrolment = "enrolment"
	EnrolmentEnded = "ended"
)

// UnenrollPath is where, on the coordinator's API, a machine gives its node up.
func UnenrollPath(nodeID string) string { return "/api/v1/nodes/" + nodeID + "/unenroll" }

// CodeNodeNotFound is the error code of an answer that knows no such node, which
// tells who gives a node up again that it is done.
const CodeNodeNotFound = "LUCID_ERR_4001"

// Check tells whether the form is right; the signature is for package proof.
func (c *SignedChange) Check() error {
	if !ValidNodeID(c.NodeID) {
		return errors.New("node_id is not a node id")
	}
	if c.SignedMs <= 0 {
		return errors.New("signed_ms is not a time")
	}
	return cmp.Or(version(c.V), required("field", c.Field), text("value", c.Value), exactly("signature", c.Signature, signatureBytes))
}
