package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

func (s *server) payoutAddressOperations() {
	register(s, operation{
		id: "changePayoutAddress", method: http.MethodPost, path: basePath + "/nodes/{node_id}/payout-address", tag: "payouts", money: true,
		summary: "Change a node's payout address by its machine's word",
		description: "Takes what `lucid-agent sign --payout-address` prints, within 15 minutes and once: the signature by the node's device key is the " +
			"credential, whoever carries it. The change waits 72 hours before it is paid to.",
		errors:  []fault.Code{fault.NodeNotFound, fault.BadPayoutAddress},
		request: signedAddressBody{V: 1, Value: "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", Field: wire.FieldPayoutAddress, NodeID: "node_4f1c2a", SignedMs: exampleTime().UnixMilli(), Signature: make([]byte, 64)},
		example: exampleNode(),
	}, s.changePayoutAddress)
}

type signedAddressBody struct {
	V         int    `json:"v" minimum:"1" maximum:"1"`
	NodeID    string `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	Field     string `json:"field" enum:"payout_address"`
	Value     string `json:"value" maxLength:"64" doc:"TRON address for USDT."`
	SignedMs  int64  `json:"signed_ms" minimum:"1" doc:"By the machine's clock; above that of the change before."`
	Signature []byte `json:"signature" doc:"Ed25519, by the device key." maxLength:"100"`
}

type signedAddressInput struct {
	NodeInput
	Body signedAddressBody
}

// Resolve holds the signed node against the path's.
func (in *signedAddressInput) Resolve(huma.Context) []error {
	return ofThePath(in.NodeID, in.Body.NodeID)
}

// ofThePath refuses a signed change of another node than the path names.
func ofThePath(path, signed string) []error {
	if signed != path {
		return []error{complaint{"body", fault.Field{Name: "node_id", Reason: "is another node than the path's"}, fault.Validation}}
	}
	return nil
}

func (s *server) changePayoutAddress(ctx context.Context, in *signedAddressInput) (*tagged[nodeBody], error) {
	c := wire.SignedChange(in.Body)
	return answeredNode(s.Nodes.ChangeAddress(ctx, callOf(ctx).id, &c))
}
