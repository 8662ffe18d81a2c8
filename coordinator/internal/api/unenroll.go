package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

func (s *server) unenrollOperations() {
	register(s, operation{
		id: "unenroll", method: http.MethodPost, path: wire.UnenrollPath("{node_id}"), tag: "enrolment",
		summary: "Give a node up by its machine's word",
		description: "What `lucid-agent unenroll` sends, taken within 15 minutes and once: the signature by the node's device key is the credential, " +
			"whoever carries it. The node is deleted as an operator deletes it (deleteNode), which is refused while money is on its way to it.",
		status: http.StatusNoContent, errors: []fault.Code{fault.NodeNotFound, fault.StateNotAllowed},
		request: signedEndBody{V: 1, Value: wire.EnrolmentEnded, Field: wire.FieldEnrolment, NodeID: "node_4f1c2a", SignedMs: exampleTime().UnixMilli(), Signature: make([]byte, 64)},
	}, s.unenroll)
}

type signedEndBody struct {
	V         int    `json:"v" minimum:"1" maximum:"1"`
	NodeID    string `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	Field     string `json:"field" enum:"enrolment"`
	Value     string `json:"value" enum:"ended"`
	SignedMs  int64  `json:"signed_ms" minimum:"1" doc:"By the machine's clock; above that of the change before."`
	Signature []byte `json:"signature" doc:"Ed25519, by the device key." maxLength:"100"`
}

type signedEndInput struct {
	NodeInput
	Body signedEndBody
}

// Resolve holds the signed node against the path's.
func (in *signedEndInput) Resolve(huma.Context) []error { return ofThePath(in.NodeID, in.Body.NodeID) }

func (s *server) unenroll(ctx context.Context, in *signedEndInput) (*struct{}, error) {
	c := wire.SignedChange(in.Body)
	return nil, s.Nodes.Unenroll(ctx, callOf(ctx).id, &c)
}
