package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) silenceOperations() {
	register(s, operation{
		id: "listSilences", method: http.MethodGet, path: basePath + "/alerts/silences", collection: true, tag: "alerts", role: access.Viewer,
		summary: "List silences", description: "Newest first.",
		example: silenceListBody{Silences: []silenceBody{exampleSilence()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listSilences)
	register(s, operation{
		id: "createSilence", method: http.MethodPost, path: basePath + "/alerts/silences", collection: true, tag: "alerts", role: access.Operator,
		status: http.StatusCreated, summary: "Silence alerts",
		description: "For a time, the alerts of a node, a pool or the fleet are shown as silenced and not delivered to webhooks. What still fires when " +
			"the silence ends is delivered then. A node in maintenance is silent by itself.",
		errors: []fault.Code{fault.NodeNotFound, fault.PoolNotFound, fault.StateNotAllowed}, example: exampleSilence(),
		request: newSilenceBody{
			NodeID: "node_4f1c2a", StartsAt: instant{exampleEnd().Add(-2 * time.Hour)}, EndsAt: instant{exampleEnd()}, Reason: "moving the rack",
		},
	}, s.createSilence)
	register(s, operation{
		id: "endSilence", method: http.MethodDelete, path: basePath + "/alerts/silences/{silence_id}", tag: "alerts", role: access.Operator,
		status: http.StatusNoContent, summary: "End a silence", description: "It stays in the list. Ending it again changes nothing.",
		errors: []fault.Code{fault.OtherNotFound},
	}, s.endSilence)
}

type silenceListInput struct {
	PageInput
	ActiveOnly bool `query:"active_only" doc:"Leave out those that have ended."`
}

type silenceListBody struct {
	Silences   []silenceBody `json:"silences" nullable:"false"`
	Pagination pagination    `json:"pagination"`
}

type silenceBody struct {
	SilenceID string    `json:"silence_id"`
	NodeID    *string   `json:"node_id" doc:"null: not of one node."`
	PoolID    *string   `json:"pool_id" doc:"null: not of one pool; with node_id null as well, of the whole fleet."`
	Kind      *string   `json:"kind" doc:"null: alerts of all kinds."`
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	Reason    string    `json:"reason"`
	Author    string    `json:"author" doc:"Id of the key or user that made it."`
	CreatedAt time.Time `json:"created_at"`
}

func (s *server) listSilences(ctx context.Context, in *silenceListInput) (*answer[silenceListBody], error) {
	silences, total, err := s.Alerts.Silences(ctx, in.ActiveOnly, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(silenceListBody{shape(silences, shapeSilence), in.of(total)})
}

type newSilenceBody struct {
	NodeID   string  `json:"node_id,omitempty" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64" doc:"Of this node only."`
	PoolID   string  `json:"pool_id,omitempty" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64" doc:"Of this pool's nodes only; not with node_id."`
	Kind     string  `json:"kind,omitempty" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors" doc:"Of this kind only."`
	StartsAt instant `json:"starts_at,omitzero" required:"false" doc:"Default: now."`
	EndsAt   instant `json:"ends_at" doc:"Within a year."`
	Reason   string  `json:"reason" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" example:"moving the rack"`
}

type newSilenceInput struct{ Body newSilenceBody }

func (in *newSilenceInput) silence() alert.NewSilence {
	b := in.Body
	return alert.NewSilence{
		Scope: alert.Scope{NodeID: b.NodeID, PoolID: b.PoolID}, Kind: alert.Kind(b.Kind), Starts: b.StartsAt.Time, Ends: b.EndsAt.Time, Reason: b.Reason,
	}
}

// Resolve asks the noun.
func (in *newSilenceInput) Resolve(h huma.Context) []error {
	return complaints("body", in.silence().Check(serverOf(h).Now()))
}

func (s *server) createSilence(ctx context.Context, in *newSilenceInput) (*answer[silenceBody], error) {
	made, err := s.Alerts.Silence(ctx, by(ctx), in.silence())
	if err != nil {
		return nil, err
	}
	return answered(shapeSilence(made))
}

type silenceInput struct {
	SilenceID string `path:"silence_id" pattern:"^silence_[0-9]{1,18}$" patternDescription:"a silence's id" maxLength:"64" example:"silence_3" doc:"Id of the silence."`
}

func (s *server) endSilence(ctx context.Context, in *silenceInput) (*struct{}, error) {
	return nil, s.Alerts.EndSilence(ctx, by(ctx), in.SilenceID)
}

func shapeSilence(x alert.Silence) silenceBody {
	return silenceBody{
		SilenceID: x.ID(), NodeID: orNil(x.Scope.NodeID), PoolID: orNil(x.Scope.PoolID), Kind: orNil(string(x.Kind)),
		StartsAt: x.Starts, EndsAt: x.Ends, Reason: x.Reason, Author: x.Author, CreatedAt: x.CreatedAt,
	}
}

func exampleSilence() silenceBody {
	at := exampleTime()
	return shapeSilence(alert.Silence{
		No: 3, Scope: alert.Scope{NodeID: "node_4f1c2a"}, Starts: at, Ends: at.Add(2 * time.Hour), Reason: "moving the rack",
		Author: "user_4f1c2a", CreatedAt: at,
	})
}
