package pool

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Summary is a pool in short, as integrations read it over MQTT.
type Summary struct {
	V             int       `json:"v"`
	At            time.Time `json:"at"`
	PoolID        string    `json:"pool_id"`
	Name          string    `json:"name"`
	MaxNodes      int       `json:"max_nodes"`
	NodeCount     int       `json:"node_count"`
	OnlineCount   int       `json:"online_count"`
	WorkingCount  int       `json:"working_count"` // starting or active
	StandbyCount  int       `json:"standby_count"`
	ScoreNano     int64     `json:"score_nano"` // mean of its nodes, 1e9 is 100 points
	Health        State     `json:"health"`     // "" before the first check
	HealthReasons []string  `json:"health_reasons"`
	Warnings      int       `json:"warning_alerts"` // that fire and are not silenced
	Criticals     int       `json:"critical_alerts"`
}

// Same reports whether nothing but the time differs.
func (s Summary) Same(other Summary) bool {
	s.At = other.At
	return reflect.DeepEqual(s, other)
}

// Summaries tells how all pools are, by one query.
func (s *Store) Summaries(ctx context.Context) ([]Summary, error) {
	at := s.now().UTC()
	rows, err := sqlgen.New(s.pool).Summaries(ctx, sqlgen.SummariesParams{Standby: Standby, At: at})
	if err != nil {
		return nil, fmt.Errorf("read summaries of pools: %w", err)
	}
	list := make([]Summary, len(rows))
	for i, r := range rows {
		list[i] = Summary{
			V: 1, At: at, PoolID: r.PoolID, Name: r.Name, MaxNodes: int(r.MaxNodes), NodeCount: int(r.NodeCount), OnlineCount: int(r.Online),
			WorkingCount: int(r.Working), StandbyCount: int(r.Standby), ScoreNano: r.Score, Health: State(r.State), HealthReasons: r.Reasons,
			Warnings: int(r.Warnings), Criticals: int(r.Criticals),
		}
	}
	return list, nil
}

// maxDeleted is how many of the pools deleted last are named.
const maxDeleted = 1000

// Deleted gives the ids of the pools that were deleted, the newest first.
func (s *Store) Deleted(ctx context.Context) ([]string, error) {
	ids, err := sqlgen.New(s.pool).DeletedPools(ctx, maxDeleted)
	if err != nil {
		return nil, fmt.Errorf("read deleted pools: %w", err)
	}
	return ids, nil
}
