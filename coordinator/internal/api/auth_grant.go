package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) grantOperations() {
	register(s, operation{
		id: "listTopicGrants", method: http.MethodGet, path: basePath + "/apikeys/{key_id}/grants", tag: "access", role: access.Admin,
		summary: "List what an API key may read over MQTT", description: "By filter; a key has at most 50.",
		errors:  []fault.Code{fault.OtherNotFound},
		example: topicGrantListBody{Grants: []topicGrantBody{exampleGrant()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listTopicGrants)
	register(s, operation{
		id: "grantTopics", method: http.MethodPost, path: basePath + "/apikeys/{key_id}/grants", tag: "access", role: access.Admin,
		status: http.StatusCreated, summary: "Let an API key read topics over MQTT",
		description: "The key then logs in to the broker with its id as user name and itself as password, and subscribes within its grants. Status and info " +
			"of nodes, summaries of pools and events can be granted; of a key that is bound to nodes, status and info of these. " +
			"Its open connections are closed, so that they come back with the new grants. Doing it again changes nothing.",
		errors: []fault.Code{fault.OtherNotFound, fault.StateNotAllowed}, request: grantTopicsBody{Filter: "lucid/v1/events/+"}, example: exampleGrant(),
	}, s.grantTopics)
	register(s, operation{
		id: "revokeTopicGrant", method: http.MethodDelete, path: basePath + "/apikeys/{key_id}/grants/{grant_id}", tag: "access", role: access.Admin,
		status: http.StatusNoContent, summary: "Take a grant back", description: "Open connections of the key are closed within five seconds.",
		errors: []fault.Code{fault.OtherNotFound},
	}, s.revokeTopicGrant)
}

// KeyInput names an API key.
type KeyInput struct {
	KeyID string `path:"key_id" pattern:"^key_[a-zA-Z0-9]+$" patternDescription:"an API key's id" maxLength:"64" example:"key_4f1c2a" doc:"Id of the key."`
}

type topicGrantListInput struct {
	KeyInput
	PageInput
}

type topicGrantListBody struct {
	Grants     []topicGrantBody `json:"grants" nullable:"false"`
	Pagination pagination       `json:"pagination"`
}

type topicGrantBody struct {
	GrantID   string    `json:"grant_id"`
	Filter    string    `json:"filter" doc:"MQTT topic filter."`
	CreatedAt time.Time `json:"created_at"`
}

type grantTopicsInput struct {
	KeyInput
	Body grantTopicsBody
}

type grantTopicsBody struct {
	Filter string `json:"filter" minLength:"1" maxLength:"256" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"MQTT topic filter; + stands for one level." example:"lucid/v1/pools/+/summary"`
}

func (s *server) listTopicGrants(ctx context.Context, in *topicGrantListInput) (*answer[topicGrantListBody], error) {
	grants, err := s.Access.TopicGrants(ctx, in.KeyID) // so few that all are read for any page
	if err != nil {
		return nil, err
	}
	first := min(in.offset(), len(grants))
	page := grants[first:min(first+in.Limit, len(grants))]
	return answered(topicGrantListBody{shape(page, shapeGrant), in.of(len(grants))})
}

func (s *server) grantTopics(ctx context.Context, in *grantTopicsInput) (*answer[topicGrantBody], error) {
	grant, err := s.Access.GrantTopic(ctx, by(ctx), in.KeyID, in.Body.Filter)
	if err != nil {
		return nil, err
	}
	return answered(shapeGrant(grant))
}

type topicGrantInput struct {
	KeyInput
	GrantID string `path:"grant_id" pattern:"^grant_[0-9]{1,18}$" patternDescription:"a grant's id" maxLength:"64" example:"grant_3" doc:"Id of the grant."`
}

func (s *server) revokeTopicGrant(ctx context.Context, in *topicGrantInput) (*struct{}, error) {
	return nil, s.Access.RevokeTopic(ctx, by(ctx), in.KeyID, in.GrantID)
}

func shapeGrant(g access.TopicGrant) topicGrantBody {
	return topicGrantBody{GrantID: g.ID(), Filter: g.Filter, CreatedAt: g.CreatedAt}
}

func exampleGrant() topicGrantBody {
	return shapeGrant(access.TopicGrant{No: 3, Filter: "lucid/v1/events/+", CreatedAt: exampleTime()})
}
