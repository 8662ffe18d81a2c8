package api

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/pool"
)

func (s *server) fleetOperations() {
	register(s, operation{
		id: "getFleetSummary", method: http.MethodGet, path: basePath + "/fleet/summary", tag: "fleet", role: access.Viewer,
		summary: "Read the fleet in numbers", description: "How many nodes and pools there are, and how they are.",
		example: exampleFleet(),
	}, s.getFleetSummary)
}

type fleetBody struct {
	Nodes     fleetNodesBody  `json:"nodes"`
	Pools     fleetPoolsBody  `json:"pools"`
	Alerts    fleetAlertsBody `json:"alerts"`
	PootScore *points         `json:"poot_score" nullable:"true" doc:"Mean of the nodes active or suspended; null without any."`
	Usage     usageBody       `json:"usage" doc:"Of the nodes that are online."`
}

type fleetNodesBody struct {
	Total    int               `json:"total"`
	Online   int               `json:"online"`
	Outside  int               `json:"without_pool"`
	ByStatus fleetByStatusBody `json:"by_status"`
	ByType   fleetByTypeBody   `json:"by_type"`
}

type fleetByStatusBody struct {
	Pending     int `json:"pending"`
	Starting    int `json:"starting"`
	Active      int `json:"active"`
	Stopping    int `json:"stopping"`
	Inactive    int `json:"inactive"`
	Maintenance int `json:"maintenance"`
	Suspended   int `json:"suspended"`
	Error       int `json:"error"`
}

type fleetByTypeBody struct {
	Worker    int `json:"worker"`
	Validator int `json:"validator"`
	Storage   int `json:"storage"`
	Compute   int `json:"compute"`
}

type fleetPoolsBody struct {
	Total     int `json:"total"`
	Healthy   int `json:"healthy"`
	Degraded  int `json:"degraded"`
	Critical  int `json:"critical"`
	Unchecked int `json:"unchecked" doc:"Not seen by a health check yet."`
	Places    int `json:"places" doc:"Sum of max_nodes."`
	Free      int `json:"free_places"`
}

type fleetAlertsBody struct {
	Warning  int `json:"warning" doc:"That fire now and are not silenced."`
	Critical int `json:"critical"`
	Silenced int `json:"silenced" doc:"That fire now, of any severity."`
}

func (s *server) getFleetSummary(ctx context.Context, _ *struct{}) (*answer[fleetBody], error) {
	f, err := s.Pools.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	alerts, err := s.Alerts.Count(ctx)
	if err != nil {
		return nil, err
	}
	return answered(shapeFleet(f, alerts))
}

func shapeFleet(f pool.Fleet, alerts alert.Counts) fleetBody {
	return fleetBody{
		Alerts:    fleetAlertsBody(alerts),
		PootScore: (*points)(f.ScoreNano),
		Usage:     *shapeUsage(&f.Usage),
		Nodes: fleetNodesBody{
			Total: f.Nodes, Online: f.Online, Outside: f.Outside,
			ByStatus: fleetByStatusBody{
				Pending: f.ByStatus["pending"], Starting: f.ByStatus["starting"], Active: f.ByStatus["active"],
				Stopping: f.ByStatus["stopping"], Inactive: f.ByStatus["inactive"], Maintenance: f.ByStatus["maintenance"],
				Suspended: f.ByStatus["suspended"], Error: f.ByStatus["error"],
			},
			ByType: fleetByTypeBody{
				Worker: f.ByType["worker"], Validator: f.ByType["validator"], Storage: f.ByType["storage"], Compute: f.ByType["compute"],
			},
		},
		Pools: fleetPoolsBody{
			Total: f.Pools, Healthy: f.ByHealth[pool.Healthy], Degraded: f.ByHealth[pool.Degraded], Critical: f.ByHealth[pool.Critical],
			Unchecked: f.ByHealth[""], Places: f.Places, Free: f.FreeSeats,
		},
	}
}

func exampleFleet() fleetBody {
	score := int64(950_000_000)
	return shapeFleet(pool.Fleet{
		Nodes: 4, Online: 3, Outside: 1, ByStatus: map[string]int{"active": 3, "pending": 1}, ByType: map[string]int{"worker": 4},
		ScoreNano: &score, Pools: 1, ByHealth: map[pool.State]int{pool.Healthy: 1}, Places: 100, FreeSeats: 97,
		Usage: *exampleUsage(),
	}, alert.Counts{Warning: 1})
}
