package api

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
)

func (s *server) poolBalanceOperations() {
	register(s, operation{
		id: "listPoolMoves", method: http.MethodGet, path: basePath + "/nodes/pools/balance", tag: "pools", role: access.Viewer,
		summary: "Propose moves between pools",
		description: "Which working nodes should change their pool, so that all are about equally full: from pools that are at least 20 % fuller, " +
			"or critical for 15 minutes, to emptier ones that are meant for such nodes. A node that joined less than an hour ago stays. " +
			"Nothing is moved by reading. The plan is made anew each time and so has no pages: limit is how many moves it may have, those out of critical pools first.",
		example: moveListBody{Moves: []moveBody{exampleMove()}},
	}, s.listPoolMoves)
	register(s, operation{
		id: "applyPoolMoves", method: http.MethodPost, path: basePath + "/nodes/pools/balance", tag: "pools", role: access.Operator, money: true,
		summary:     "Move nodes between pools",
		description: "Makes the chosen moves one after another. Each is checked again; one that is not possible any more does not stop the others.",
		request:     applyMovesBody{Moves: []moveBody{exampleMove()}},
		example: movedBody{
			Results: []moveResultBody{shapeMoved(pool.Moved{Move: pool.Move{NodeID: "node_4f1c2a", From: "pool_default", To: "pool_north"}})},
			Summary: moveSummary{Total: 1, Applied: 1},
		},
	}, s.applyPoolMoves)
}

type moveListInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Proposals at most."`
}

type moveListBody struct {
	Moves []moveBody `json:"moves" nullable:"false"`
}

type moveBody struct {
	NodeID     string `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	FromPoolID string `json:"from_pool_id" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64"`
	ToPoolID   string `json:"to_pool_id" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64"`
	Reason     string `json:"reason" required:"false" maxLength:"200" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Proposals give fuller or critical."`
}

func shapeMove(m pool.Move) moveBody { return moveBody{m.NodeID, m.From, m.To, m.Reason} }

func exampleMove() moveBody {
	return moveBody{NodeID: "node_4f1c2a", FromPoolID: "pool_default", ToPoolID: "pool_north", Reason: pool.Fuller}
}

func (s *server) listPoolMoves(ctx context.Context, in *moveListInput) (*answer[moveListBody], error) {
	moves, err := s.Pools.Proposals(ctx, in.Limit)
	if err != nil {
		return nil, err
	}
	return answered(moveListBody{shape(moves, shapeMove)})
}

type applyMovesInput struct {
	Body applyMovesBody
}

type applyMovesBody struct {
	Moves []moveBody `json:"moves" nullable:"false" minItems:"1" maxItems:"100"`
}

type movedBody struct {
	Results []moveResultBody `json:"results" nullable:"false" doc:"In the order of the request."`
	Summary moveSummary      `json:"summary"`
}

type moveResultBody struct {
	NodeID     string  `json:"node_id"`
	FromPoolID string  `json:"from_pool_id"`
	ToPoolID   string  `json:"to_pool_id"`
	Applied    bool    `json:"applied"`
	Code       *string `json:"code" doc:"Why not, as in an error; null when applied."`
	Message    *string `json:"message"`
}

type moveSummary struct {
	Total   int `json:"total"`
	Applied int `json:"applied"`
	Refused int `json:"refused"`
}

func (s *server) applyPoolMoves(ctx context.Context, in *applyMovesInput) (*answer[movedBody], error) {
	moves := shape(in.Body.Moves, func(m moveBody) pool.Move {
		return pool.Move{NodeID: m.NodeID, From: m.FromPoolID, To: m.ToPoolID, Reason: m.Reason}
	})
	tried, err := s.Pools.Apply(ctx, by(ctx), moves)
	if err != nil {
		return nil, err
	}
	b := movedBody{Results: shape(tried, shapeMoved), Summary: moveSummary{Total: len(tried)}}
	for _, r := range b.Results {
		if r.Applied {
			b.Summary.Applied++
		}
	}
	b.Summary.Refused = b.Summary.Total - b.Summary.Applied
	return answered(b)
}

func shapeMoved(m pool.Moved) moveResultBody {
	r := moveResultBody{NodeID: m.NodeID, FromPoolID: m.From, ToPoolID: m.To, Applied: m.Err == nil}
	if m.Err != nil {
		f := fault.As(m.Err)
		r.Code, r.Message = orNil(f.Code.String()), orNil(f.Message)
	}
	return r
}
