package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/score"
)

func (s *server) pootFleetOperations() {
	register(s, operation{
		id: "getPootStatistics", method: http.MethodGet, path: basePath + "/nodes/poot/statistics", tag: "poot", role: access.Viewer,
		summary: "Read statistics of all proofs", description: "Verdicts of a time, how long answers took, and the scores of all nodes as they are now.",
		example: shapeStatistics("24h", exampleStatistics()),
	}, s.getPootStatistics)
	register(s, operation{
		id: "listPootLeaders", method: http.MethodGet, path: basePath + "/nodes/poot/leaderboard", tag: "poot", role: access.Viewer,
		summary: "List nodes by their score", description: "The highest first; who has shown nothing yet is last, with score 0. Nobody counts the places: total is null.",
		example: leaderListBody{Nodes: []leaderBody{shapeLeader(exampleLeader())}, Pagination: PageInput{Page: 1, Limit: 20}.before(false)},
	}, s.listPootLeaders)
}

type statisticsInput struct {
	TimeRange string `query:"time_range" enum:"1h,6h,24h,7d,30d" default:"24h" doc:"How far back."`
}

type statisticsBody struct {
	TimeRange   string          `json:"time_range" enum:"1h,6h,24h,7d,30d"`
	StartTime   time.Time       `json:"start_time"`
	EndTime     time.Time       `json:"end_time"`
	Challenges  int64           `json:"challenges" doc:"That ended in this time, whatever came of them."`
	Nodes       int64           `json:"nodes" doc:"That had a challenge end."`
	ByStatus    byStatusBody    `json:"by_status"`
	SuccessRate *ratio          `json:"success_rate" nullable:"true" doc:"Valid ones of those that count: valid, invalid, late and missed. null without any."`
	AnswerMs    orNull[takenMs] `json:"answer_ms" doc:"From issue to receipt, of all that were answered; null without any."`
	Scores      scoresBody      `json:"scores" doc:"Now, of all nodes with a counted verdict."`
}

type byStatusBody struct {
	Valid    int64 `json:"valid"`
	Invalid  int64 `json:"invalid"`
	Late     int64 `json:"late"`
	Missed   int64 `json:"missed"`
	Deferred int64 `json:"deferred"`
	Void     int64 `json:"void"`
}

type takenMs struct {
	Mean   float64 `json:"mean"`
	Median int32   `json:"median"`
	P95    int32   `json:"p95"`
}

type scoresBody struct {
	Nodes        int64  `json:"nodes"`
	Mean         points `json:"mean"`
	Lowest       points `json:"lowest"`
	Highest      points `json:"highest"`
	Suspended    int64  `json:"suspended" doc:"By their score."`
	Disqualified int64  `json:"disqualified"`
}

func (s *server) getPootStatistics(ctx context.Context, in *statisticsInput) (*answer[statisticsBody], error) {
	now := s.Now().UTC()
	all, err := s.Scores.Statistics(ctx, now.Add(-lengthOf(in.TimeRange)), now)
	if err != nil {
		return nil, err
	}
	return answered(shapeStatistics(in.TimeRange, all))
}

func shapeStatistics(timeRange string, all score.Statistics) statisticsBody {
	b := statisticsBody{
		TimeRange: timeRange, StartTime: all.From, EndTime: all.To, Challenges: all.Verdicts, Nodes: all.Nodes,
		ByStatus: byStatusBody{
			Valid: all.By[score.Valid], Invalid: all.By[score.Invalid], Late: all.By[score.Late], Missed: all.By[score.Missed],
			Deferred: all.By[score.Deferred], Void: all.By[score.Void],
		},
		Scores: scoresBody{
			Nodes: all.Scores.Nodes, Mean: points(all.Scores.Mean), Lowest: points(all.Scores.Lowest), Highest: points(all.Scores.Highest),
			Suspended: all.Scores.Suspended, Disqualified: all.Scores.Disqualified,
		},
	}
	if rate, some := all.Success(); some {
		b.SuccessRate = (*ratio)(&rate)
	}
	if all.Answered > 0 {
		b.AnswerMs.value = &takenMs{all.MeanMs, all.MedianMs, all.P95Ms}
	}
	return b
}

func exampleStatistics() score.Statistics {
	return score.Statistics{
		From: exampleTime().Add(-24 * time.Hour), To: exampleTime(), Verdicts: 290, Nodes: 1, Answered: 288, MeanMs: 241.5, MedianMs: 212, P95Ms: 480,
		By:     map[score.Result]int64{score.Valid: 288, score.Missed: 1, score.Void: 1},
		Scores: score.Scores{Nodes: 1, Mean: 987_654_321, Lowest: 987_654_321, Highest: 987_654_321},
	}
}

type leaderInput struct {
	PageInput
	PoolID string `query:"pool_id" pattern:"^(pool_[a-zA-Z0-9_-]+)?$" patternDescription:"a pool's id" maxLength:"64" doc:"Only nodes in this pool."`
}

type leaderListBody struct {
	Nodes      []leaderBody `json:"nodes" nullable:"false"`
	Pagination pagination   `json:"pagination"`
}

type leaderBody struct {
	Rank       int     `json:"rank" minimum:"1"`
	NodeID     string  `json:"node_id"`
	Name       string  `json:"name"`
	PoolID     *string `json:"pool_id"`
	Status     string  `json:"status" enum:"pending,starting,active,stopping,inactive,maintenance,suspended,error"`
	Score      points  `json:"score"`
	Confidence ratio   `json:"confidence"`
	Verdicts   int64   `json:"verdicts"`
}

func (s *server) listPootLeaders(ctx context.Context, in *leaderInput) (*answer[leaderListBody], error) {
	list, more, err := s.Scores.Leaders(ctx, in.PoolID, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(leaderListBody{shape(list, shapeLeader), in.before(more)})
}

func shapeLeader(l score.Leader) leaderBody {
	return leaderBody{
		Rank: l.Rank, NodeID: l.NodeID, Name: l.Name, PoolID: orNil(l.PoolID), Status: l.Status,
		Score: points(l.Score), Confidence: ratio(l.Confidence), Verdicts: l.Verdicts,
	}
}

func exampleLeader() score.Leader {
	return score.Leader{Rank: 1, NodeID: "node_4f1c2a", Name: "attic-pi", PoolID: "pool_default", Status: "active", Score: 987_654_321, Confidence: 800_000_000, Verdicts: 200}
}
