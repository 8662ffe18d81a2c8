package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

func (s *server) nodeChangeOperations() {
	register(s, operation{
		id: "createNode", method: http.MethodPost, path: basePath + "/nodes/", collection: true, tag: "nodes", role: access.Operator, money: true,
		summary: "Make a node",
		description: "The node waits as pending for its device, which becomes it by the one-time token in this answer. " +
			"What is said of the hardware here gives way to what the device tells. A pool is joined at once.",
		status: http.StatusCreated, request: exampleNewNode(), example: exampleCreated(),
		errors: []fault.Code{
			fault.NameTaken, fault.StateNotAllowed, fault.PoolNotFound, fault.PoolFull, fault.BadPayoutAddress, fault.IdempotencyReuse,
		},
	}, s.createNode)
	register(s, operation{
		id: "updateNode", method: http.MethodPut, path: basePath + "/nodes/{node_id}", tag: "nodes", role: access.Operator, money: true,
		summary: "Change a node",
		description: "What is not given, or null, stays as it is; an object that is given replaces the whole one. An empty pool_id leaves the pool, " +
			"an empty payout_address takes it away. status sets the node aside by hand: it is not challenged and earns nothing. " +
			"With status_until it comes back by itself: to starting, or inactive when its agent is stopped. A suspension by the score " +
			"can only be made the operator's, and only a verdict ends it; a disqualification stays. A challenge that the node has not answered is void. " +
			"To bring a node back earlier, start it. A configuration.challenge.difficulty is refused when its puzzles are more than a quarter of what the " +
			"node's model could search before the deadline.",
		request: updateNodeBody{
			Status: orNil("maintenance"), StatusReason: orNil("new SD card"), StatusUntil: &instant{exampleEnd()},
		},
		example: exampleNode(),
		errors: []fault.Code{
			fault.NodeNotFound, fault.NameTaken, fault.StateNotAllowed, fault.ChangedMeanwhile, fault.PoolNotFound, fault.PoolFull,
			fault.BadPayoutAddress,
		},
	}, s.updateNode)
	register(s, operation{
		id: "deleteNode", method: http.MethodDelete, path: basePath + "/nodes/{node_id}", tag: "nodes", role: access.Admin,
		summary: "Delete a node",
		description: "Its keys are revoked and its connection is closed at once; it leaves its pool, and its name is free again. " +
			"History and ledger stay on record. Refused while money is on its way to it: complete or cancel the payout first.",
		status: http.StatusNoContent, errors: []fault.Code{fault.NodeNotFound, fault.StateNotAllowed, fault.ChangedMeanwhile},
	}, s.deleteNode)
	register(s, operation{
		id: "startNode", method: http.MethodPost, path: basePath + "/nodes/{node_id}/start", tag: "nodes", role: access.Operator, money: true,
		summary: "Start a node",
		description: "Tells the connected node to work again. It is starting until it confirms, then active; one that has not proven its " +
			"present key, or that its score took out of work meanwhile, is starting until its next valid proof. From inactive, error, " +
			"maintenance, and suspended by an operator.",
		status: http.StatusAccepted, example: shapeStarted(exampleCommand(node.Starting)),
		errors: []fault.Code{fault.NodeNotFound, fault.StateNotAllowed, fault.NodeOffline},
	}, s.startNode)
	register(s, operation{
		id: "stopNode", method: http.MethodPost, path: basePath + "/nodes/{node_id}/stop", tag: "nodes", role: access.Operator, money: true,
		summary: "Stop a node",
		description: "Tells the connected node to stay connected, but neither to sample nor to answer challenges, also after a restart. " +
			"It is stopping until it confirms, then inactive; a challenge that it has not answered is void. From starting, active and error.",
		status: http.StatusAccepted, example: shapeStopped(exampleCommand(node.Stopping)),
		errors: []fault.Code{fault.NodeNotFound, fault.StateNotAllowed, fault.NodeOffline},
	}, s.stopNode)
}

type createNodeInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"A text of your own for this request. The same request with it again makes no second node: it answers the same one with a new token, and the token before is void."`
	Body           createNodeBody
}

type createNodeBody struct {
	Name          string              `json:"name" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -" example:"attic-pi"`
	NodeType      string              `json:"node_type" enum:"worker,validator,storage,compute"`
	HardwareInfo  *hardwareInput      `json:"hardware_info,omitempty"`
	Location      *locationInput      `json:"location,omitempty"`
	InitialPoolID string              `json:"initial_pool_id,omitempty" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64" example:"pool_default"`
	Configuration *configurationInput `json:"configuration,omitempty"`
	PayoutAddress string              `json:"payout_address,omitempty" maxLength:"64" doc:"TRON address for USDT."`
	Labels        map[string]string   `json:"labels,omitempty" maxProperties:"32" doc:"Keys of 1 to 63 letters, digits, _ . / or -; values of at most 63 letters, digits, _ . or -."`
}

func exampleNewNode() createNodeBody {
	return createNodeBody{
		Name: "attic-pi", NodeType: "worker", InitialPoolID: "pool_default", Location: &locationInput{Country: "DE", City: "Munich", Timezone: "Europe/Berlin"},
		Configuration: &configurationInput{MaintenanceWindow: &maintenanceWindowInput{Start: "02:00", End: "04:00"}, Challenge: &challengeSettingsBody{Difficulty: orNil(13)}},
		PayoutAddress: "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", Labels: map[string]string{"site": "attic"},
	}
}

func (in *createNodeInput) node() node.New {
	b := in.Body
	return node.New{
		Name: b.Name, Type: b.NodeType, Hardware: b.HardwareInfo.inventory(), Location: b.Location.location(), PoolID: b.InitialPoolID,
		Configuration: b.Configuration.configuration(), PayoutAddress: b.PayoutAddress, Labels: b.Labels, Key: in.IdempotencyKey,
	}
}

// Resolve asks the noun.
func (in *createNodeInput) Resolve(huma.Context) []error {
	return complaints("body", in.node().Check())
}

func (s *server) createNode(ctx context.Context, in *createNodeInput) (*tagged[createdNodeBody], error) {
	made, enrolment, err := s.Nodes.Create(ctx, by(ctx), in.node())
	if err != nil {
		return nil, err
	}
	return answeredTagged(createdNodeBody{shapeNode(made), enrolmentBody{enrolment.Token, enrolment.Expires, s.EnrolFile(enrolment.Token, enrolment.Expires)}}, made.Version)
}

type updateNodeInput struct {
	NodeInput
	IfMatchInput
	Body updateNodeBody
}

type updateNodeBody struct {
	Name          *string             `json:"name,omitempty" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -"`
	NodeType      *string             `json:"node_type,omitempty" enum:"worker,validator,storage,compute"`
	PoolID        *string             `json:"pool_id,omitempty" pattern:"^(pool_[a-zA-Z0-9_-]+)?$" patternDescription:"a pool's id, or nothing" maxLength:"64" doc:"Empty leaves the pool."`
	Status        *string             `json:"status,omitempty" enum:"maintenance,inactive,suspended"`
	StatusReason  *string             `json:"status_reason,omitempty" maxLength:"200" doc:"Required with maintenance and suspended."`
	StatusUntil   *instant            `json:"status_until,omitempty" doc:"When maintenance or suspended ends by itself; without it, never."`
	Configuration *configurationInput `json:"configuration,omitempty"`
	Location      *locationInput      `json:"location,omitempty"`
	PayoutAddress *string             `json:"payout_address,omitempty" maxLength:"64" doc:"TRON address for USDT; empty takes it away."`
	Labels        map[string]string   `json:"labels,omitempty" maxProperties:"32" doc:"Replaces all labels."`
}

func (in *updateNodeInput) update() node.Update {
	b := in.Body
	u := node.Update{
		IfVersions: in.versions(), Name: b.Name, Type: b.NodeType, PoolID: b.PoolID, Reason: b.StatusReason, Until: b.StatusUntil.pointer(),
		Configuration: b.Configuration.configuration(), Location: b.Location.location(), PayoutAddress: b.PayoutAddress, Labels: b.Labels,
	}
	if b.Status != nil {
		status := node.Status(*b.Status)
		u.Status = &status
	}
	return u
}

// Resolve asks the noun.
func (in *updateNodeInput) Resolve(h huma.Context) []error {
	return complaints("body", in.update().Check(serverOf(h).Now()))
}

func (s *server) updateNode(ctx context.Context, in *updateNodeInput) (*tagged[nodeBody], error) {
	return answeredNode(s.Nodes.Update(ctx, by(ctx), in.NodeID, in.update()))
}

func answeredNode(n node.Node, err error) (*tagged[nodeBody], error) {
	if err != nil {
		return nil, err
	}
	return answeredTagged(shapeNode(n), n.Version)
}

type deleteNodeInput struct {
	NodeInput
	IfMatchInput
}

func (s *server) deleteNode(ctx context.Context, in *deleteNodeInput) (*struct{}, error) {
	return nil, s.Nodes.Delete(ctx, by(ctx), in.NodeID, in.versions())
}

func (s *server) startNode(ctx context.Context, in *NodeInput) (*answer[startedBody], error) {
	c, err := s.Nodes.Start(ctx, by(ctx), in.NodeID)
	if err != nil {
		return nil, err
	}
	return answered(shapeStarted(c))
}

func (s *server) stopNode(ctx context.Context, in *NodeInput) (*answer[stoppedBody], error) {
	c, err := s.Nodes.Stop(ctx, by(ctx), in.NodeID)
	if err != nil {
		return nil, err
	}
	return answered(shapeStopped(c))
}
