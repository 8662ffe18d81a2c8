package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

const enrolmentTokensPath = basePath + "/enrolment-tokens"

func (s *server) enrolTokenOperations() {
	register(s, operation{
		id: "listEnrolmentTokens", method: http.MethodGet, path: enrolmentTokensPath, collection: true, tag: "enrolment", role: access.Operator,
		summary: "List enrolment tokens",
		description: "Newest first. A token itself is never shown again. One that nobody used is forgotten a week after it expired; the audit " +
			"log keeps who made it.",
		example: enrolmentTokenListBody{EnrolmentTokens: []EnrolmentTokenBody{exampleEnrolmentToken()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listEnrolmentTokens)
	register(s, operation{
		id: "createEnrolmentToken", method: http.MethodPost, path: enrolmentTokensPath, collection: true, tag: "enrolment", role: access.Operator,
		status: http.StatusCreated, summary: "Make an enrolment token",
		description: "token is in this answer only: a device shows it once and becomes a new node, or node_id anew. With serials each board that they name does; " +
			"any other is refused and told of as an event. The new node joins pool_id; " +
			"without one, the pool with most room that fits it, or none when no pool does or automatic assignment is off.",
		errors:  []fault.Code{fault.PoolNotFound, fault.NodeNotFound},
		request: newEnrolmentTokenBody{PoolID: "pool_home", Uses: 2, Serials: []string{"10000000a1b2c3d4", "10000000a1b2c3d5"}},
		example: createdEnrolmentTokenBody{EnrolmentTokenBody: exampleBatchToken(), Token: exampleEnrolmentText, EnrollTOML: exampleEnrollTOML},
	}, s.createEnrolmentToken)
	register(s, operation{
		id: "revokeEnrolmentToken", method: http.MethodDelete, path: enrolmentTokensPath + "/{token_id}", tag: "enrolment", role: access.Operator,
		status: http.StatusNoContent, summary: "Revoke an enrolment token",
		description: "It brings in no further device. Nodes that it brought in stay. Doing it again changes nothing.",
		errors:      []fault.Code{fault.OtherNotFound},
	}, s.revokeEnrolmentToken)
}

const (
	exampleEnrolmentText = "enroll_ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ"
	exampleEnrollTOML    = "# Enrols a device until 2026-11-23T12:00:00Z. Keep it secret until then.\ncoordinator = \"https://lucid.example:8095\"\n" +
		"ca_sha256 = \"5d2c3a0e...\"\nenrolment_key = \"mZ3x...\"\ntoken = \"" + exampleEnrolmentText + "\"\n"
)

// EnrolmentTokenBody shows an enrolment token. It is exported since huma looks
// into exported embedded fields only.
type EnrolmentTokenBody struct {
	TokenID   string     `json:"token_id"`
	Status    string     `json:"status" enum:"open,used,expired,revoked" doc:"Only an open one brings in devices."`
	PoolID    *string    `json:"pool_id" doc:"Pool that its devices join; null: the one that fits."`
	NodeName  *string    `json:"node_name" doc:"Name of the new node; null: from the device's host name."`
	NodeIDs   []string   `json:"node_ids" nullable:"false" doc:"Nodes that it is for, or has brought in."`
	Uses      int        `json:"uses" doc:"Devices that it may bring in."`
	Used      int        `json:"used" doc:"Devices that it has brought in."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

type createdEnrolmentTokenBody struct {
	EnrolmentTokenBody
	Token      string `json:"token" doc:"The token. Shown only now."`
	EnrollTOML string `json:"enroll_toml" doc:"The whole enroll.toml of such a device, with the token in it."`
}

type enrolmentTokenListBody struct {
	EnrolmentTokens []EnrolmentTokenBody `json:"enrolment_tokens" nullable:"false"`
	Pagination      pagination           `json:"pagination"`
}

type newEnrolmentTokenBody struct {
	PoolID    string  `json:"pool_id,omitempty" pattern:"^(pool_[a-zA-Z0-9_-]+)?$" patternDescription:"a pool's id" maxLength:"64" example:"pool_home" doc:"Pool that its devices join. Default: the one that fits."`
	NodeName  string  `json:"node_name,omitempty" pattern:"^([a-zA-Z0-9_-]{3,100})?$" patternDescription:"3 to 100 letters, digits, _ or -" maxLength:"100" example:"attic-pi" doc:"Name of the new node. Default: from the device's host name."`
	NodeID    string  `json:"node_id,omitempty" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" example:"node_4f1c2a" doc:"Enrol this node again, as after its card was lost. Default: a new node."`
	ExpiresAt instant `json:"expires_at,omitzero" required:"false" doc:"At most 7 days ahead. Default: in 24 hours."`
	Uses      int     `json:"uses,omitempty" minimum:"1" maximum:"100" doc:"Devices that it may bring in; 1 with node_name or node_id. Default: as many as serials, or 1."`
	// Without maxItems: the rule says it, with what to do.
	Serials []string `json:"serials,omitempty" minItems:"1" nullable:"false" example:"[\"10000000a1b2c3d4\"]" doc:"Serial numbers of the boards that it brings in, each once, or their SHA-256 in hex; as many as uses, and required when uses is more than 1. A Raspberry Pi shows its own in /proc/device-tree/serial-number. Default: any one board."`
}

func (s *server) listEnrolmentTokens(ctx context.Context, in *PageInput) (*answer[enrolmentTokenListBody], error) {
	tokens, total, err := s.Nodes.Tokens(ctx, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(enrolmentTokenListBody{shape(tokens, s.shapeEnrolmentToken), in.of(total)})
}

type newEnrolmentTokenInput struct{ Body newEnrolmentTokenBody }

// token is what shall be made, its pool and node left out.
func (in *newEnrolmentTokenInput) token(now time.Time) node.Token {
	t := node.Token{NodeName: in.Body.NodeName, Uses: in.Body.Uses, Serials: in.Body.Serials, Life: node.DefaultTokenLife}
	if !in.Body.ExpiresAt.IsZero() {
		t.Life = in.Body.ExpiresAt.Sub(now)
	}
	return t
}

// Resolve asks the noun; it has rules for a token that is of some node.
func (in *newEnrolmentTokenInput) Resolve(h huma.Context) []error {
	t := in.token(serverOf(h).Now())
	if in.Body.NodeID != "" {
		t.NodeNo = new(int32)
	}
	return complaints("body", t.Check())
}

func (s *server) createEnrolmentToken(ctx context.Context, in *newEnrolmentTokenInput) (*answer[createdEnrolmentTokenBody], error) {
	t := in.token(s.Now())
	if in.Body.PoolID != "" {
		p, err := s.Pools.Get(ctx, in.Body.PoolID)
		if err != nil {
			return nil, err
		}
		t.PoolNo = &p.No
	}
	if in.Body.NodeID != "" {
		n, err := s.Nodes.Get(ctx, in.Body.NodeID)
		if err != nil {
			return nil, err
		}
		t.NodeNo = &n.No
	}
	text, err := s.Nodes.CreateToken(ctx, by(ctx), t)
	if err != nil {
		return nil, err
	}
	made, err := s.Nodes.Token(ctx, node.TokenID(text))
	if err != nil {
		return nil, err
	}
	return answered(createdEnrolmentTokenBody{s.shapeEnrolmentToken(made), text, s.EnrolFile(text, made.ExpiresAt)})
}

type enrolmentTokenInput struct {
	TokenID string `path:"token_id" pattern:"^token_[0-9a-f]+$" patternDescription:"an enrolment token's id" maxLength:"64" example:"token_00112233aabbccdd" doc:"Id of the enrolment token."`
}

func (s *server) revokeEnrolmentToken(ctx context.Context, in *enrolmentTokenInput) (*struct{}, error) {
	return nil, s.Nodes.RevokeToken(ctx, by(ctx), in.TokenID)
}

func (s *server) shapeEnrolmentToken(t node.IssuedToken) EnrolmentTokenBody {
	return EnrolmentTokenBody{
		TokenID: t.ID, Status: string(t.Status(s.Now())), PoolID: orNil(t.PoolID), NodeName: orNil(t.NodeName), NodeIDs: append([]string{}, t.NodeIDs...),
		Uses: t.Uses, Used: t.Used, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt,
	}
}

func exampleEnrolmentToken() EnrolmentTokenBody {
	return EnrolmentTokenBody{
		TokenID: "token_00112233aabbccdd", Status: string(node.TokenOpen), PoolID: orNil("pool_home"), NodeIDs: []string{}, Uses: 1,
		CreatedAt: exampleTime(), ExpiresAt: exampleTime().Add(node.DefaultTokenLife),
	}
}

func exampleBatchToken() EnrolmentTokenBody {
	t := exampleEnrolmentToken()
	t.Uses = 2
	return t
}
