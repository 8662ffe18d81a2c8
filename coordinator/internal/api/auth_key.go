package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) keyOperations() {
	register(s, operation{
		id: "listAPIKeys", method: http.MethodGet, path: basePath + "/apikeys", collection: true, tag: "access", role: access.Admin,
		summary: "List API keys", description: "Newest first, revoked and expired ones included. A key itself is never shown again.",
		example: keyListBody{APIKeys: []KeyBody{exampleKey()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listKeys)
	register(s, operation{
		id: "createAPIKey", method: http.MethodPost, path: basePath + "/apikeys", collection: true, tag: "access", role: access.Admin,
		status: http.StatusCreated, summary: "Make an API key",
		description: "api_key is in this answer only. A key that is bound to nodes is for their owner: it can call only what is marked x-owner, " +
			"and sees only these nodes.",
		request: newKeyBody{Name: "billing", Role: "viewer", ExpiresAt: instant{exampleEnd()}},
		example: createdKeyBody{KeyBody: exampleKey(), APIKey: "lucid_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
	}, s.createKey)
	register(s, operation{
		id: "revokeAPIKey", method: http.MethodDelete, path: basePath + "/apikeys/{key_id}", tag: "access", role: access.Admin,
		status: http.StatusNoContent, summary: "Revoke an API key",
		description: "The key and the tokens made from it end. Another coordinator on the same database trusts the key for up to 30 seconds more, " +
			"and its tokens until they expire, but not for admin operations nor for money. Doing it again changes nothing.",
		errors: []fault.Code{fault.OtherNotFound},
	}, s.revokeKey)
}

// KeyBody shows an API key. It is exported since huma looks into exported
// embedded fields only.
type KeyBody struct {
	KeyID     string     `json:"key_id"`
	Name      string     `json:"name"`
	Role      string     `json:"role" enum:"viewer,operator,admin,service"`
	Prefix    string     `json:"prefix" doc:"How the key begins, to tell keys apart."`
	NodeIDs   []string   `json:"node_ids" nullable:"false" doc:"Nodes that it is bound to; empty when it is not bound."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: never."`
	RevokedAt *time.Time `json:"revoked_at"`
}

type createdKeyBody struct {
	KeyBody
	APIKey string `json:"api_key" doc:"The key. Shown only now."`
}

type keyListBody struct {
	APIKeys    []KeyBody  `json:"api_keys" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

type newKeyBody struct {
	Name      string   `json:"name" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -" maxLength:"100" example:"billing" doc:"What or whom it is for."`
	Role      string   `json:"role" enum:"viewer,operator,admin,service"`
	ExpiresAt instant  `json:"expires_at,omitzero" required:"false" doc:"Default: never."`
	NodeIDs   []string `json:"node_ids,omitempty" nullable:"false" maxItems:"100" doc:"Bind it to these nodes; the role is then viewer or operator."`
}

func (s *server) listKeys(ctx context.Context, in *PageInput) (*answer[keyListBody], error) {
	keys, total, err := s.Access.Keys(ctx, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(keyListBody{shape(keys, shapeKey), in.of(total)})
}

type createKeyInput struct{ Body newKeyBody }

func (in *createKeyInput) key() access.NewKey {
	return access.NewKey{
		Name: in.Body.Name, Role: access.Role(in.Body.Role), Expires: in.Body.ExpiresAt.Time, NodeIDs: in.Body.NodeIDs,
	}
}

// Resolve asks the noun.
func (in *createKeyInput) Resolve(h huma.Context) []error {
	return complaints("body", serverOf(h).Access.CheckKey(h.Context(), in.key()))
}

func (s *server) createKey(ctx context.Context, in *createKeyInput) (*answer[createdKeyBody], error) {
	key, secret, err := s.Access.CreateKey(ctx, by(ctx), in.key())
	if err != nil {
		return nil, err
	}
	return answered(createdKeyBody{shapeKey(key), secret})
}

type keyInput struct {
	KeyID string `path:"key_id" pattern:"^key_[a-zA-Z0-9]+$" patternDescription:"an API key's id" maxLength:"64" example:"key_4f1c2a" doc:"Id of the key."`
}

func (s *server) revokeKey(ctx context.Context, in *keyInput) (*struct{}, error) {
	return nil, s.Access.RevokeKey(ctx, by(ctx), in.KeyID)
}

func shapeKey(k access.Key) KeyBody {
	return KeyBody{
		KeyID: k.ID, Name: k.Name, Role: string(k.Role), Prefix: k.Prefix, NodeIDs: append([]string{}, k.NodeIDs...),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
	}
}

func exampleKey() KeyBody {
	return shapeKey(access.Key{
		ID: "key_4f1c2a", Name: "billing", Role: access.Viewer, Prefix: "lucid_00112233", CreatedAt: exampleTime(), NodeIDs: []string{"node_4f1c2a"},
	})
}
