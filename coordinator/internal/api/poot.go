package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/score"
)

func (s *server) pootOperations() {
	register(s, operation{
		id: "getPootScore", method: http.MethodGet, path: basePath + "/nodes/{node_id}/poot/score", tag: "poot", role: access.Viewer, owner: true,
		summary: "Read a node's score",
		description: "The score is 100 times the product of its factors. Confidence grows with the number of verdicts. " +
			"failures_left says how many failures in a row separate the node from suspension; below 10 of them there is an early warning.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleScore(),
	}, s.getPootScore)
	register(s, operation{
		id: "listPootHistory", method: http.MethodGet, path: basePath + "/nodes/{node_id}/poot/history", collection: true, tag: "poot",
		role: access.Viewer, owner: true, summary: "List a node's verdicts", description: "Newest first, each with the score before and after it.",
		errors:  []fault.Code{fault.NodeNotFound},
		example: historyBody{History: []verdictBody{exampleVerdict()}, Pagination: NumberCursorInput{Limit: 20}.next(0)},
	}, s.listPootHistory)
	s.pootExplainOperations()
	s.pootCheckOperations()
	s.pootFleetOperations()
}

// ScoreBody is a node's score. Exported as huma wants what others embed.
type ScoreBody struct {
	NodeID           string              `json:"node_id"`
	Score            points              `json:"score"`
	Confidence       ratio               `json:"confidence"`
	Factors          orNull[factorsBody] `json:"factors"`
	ValidationStatus *string             `json:"validation_status" enum:"valid,invalid,late,missed,deferred,void" doc:"The last verdict; null before the first."`
	ValidationReason *string             `json:"validation_reason"`
	OutputHash       *string             `json:"output_hash" doc:"SHA-256, in hex, of the answer that the last verdict judged; null when there was none."`
	Verdicts         int64               `json:"verdicts" doc:"How many count."`
	FailuresLeft     *int                `json:"failures_left"`
	EarlyWarning     bool                `json:"early_warning" doc:"Fewer than 10 failures in a row would suspend the node."`
	RuleVersion      *int                `json:"rule_version"`
	VettedAt         *time.Time          `json:"vetted_at" doc:"Since when earnings are paid out; null before."`
	CalculatedAt     *time.Time          `json:"calculated_at" doc:"null before the first verdict."`
}

type factorsBody struct {
	Reputation   ratio `json:"reputation" doc:"Right against wrong answers."`
	Timeliness   ratio `json:"timeliness" doc:"Answers in time against late or missing ones."`
	Availability ratio `json:"availability" doc:"Time online of the time expected, over up to 30 days."`
	Quality      ratio `json:"quality"`
}

func (s *server) getPootScore(ctx context.Context, in *NodeInput) (*answer[ScoreBody], error) {
	current, found, err := s.Scores.Of(ctx, in.NodeID)
	if err == nil && !found { // a node without any verdict, or none
		_, err = s.Nodes.Get(ctx, in.NodeID)
	}
	if err != nil {
		return nil, err
	}
	return answered(shapeScore(in.NodeID, current))
}

// shapeScore shows a node without any verdict as one of which nothing is
// known: no factors, no time, and not the failures that it could afford.
func shapeScore(nodeID string, c score.Current) ScoreBody {
	b := ScoreBody{NodeID: nodeID, Score: points(c.Score), Confidence: ratio(c.Confidence), Verdicts: c.Counters.Verdicts, VettedAt: c.VettedAt}
	if c.LastResult == "" {
		return b
	}
	b.Factors = shapeFactors(&c.Factors)
	b.ValidationStatus, b.ValidationReason = orNil(string(c.LastResult)), orNil(c.LastReason)
	b.OutputHash = orNil(c.OutputHash)
	b.EarlyWarning = c.EarlyWarning()
	b.FailuresLeft, b.RuleVersion, b.CalculatedAt = &c.FailuresLeft, &c.RuleVersion, &c.CalculatedAt
	return b
}

func shapeFactors(f *score.Factors) (b orNull[factorsBody]) {
	if f != nil {
		b.value = &factorsBody{ratio(f.Reputation), ratio(f.Timeliness), ratio(f.Availability), ratio(f.Quality)}
	}
	return b
}

type historyInput struct {
	NodeInput
	NumberCursorInput
}

type historyBody struct {
	History    []verdictBody `json:"history" nullable:"false"`
	Pagination pagination    `json:"pagination"`
}

type verdictBody struct {
	ChallengeID string    `json:"challenge_id" format:"uuid"`
	Verdict     string    `json:"verdict" enum:"valid,invalid,late,missed,deferred,void"`
	Reason      *string   `json:"reason"`
	At          time.Time `json:"at"`
	AnsweredMs  *int32    `json:"answered_ms" doc:"From issue to answer; null without an answer."`
	RuleVersion int       `json:"rule_version"`
	ScoreBefore points    `json:"score_before"`
	ScoreAfter  points    `json:"score_after"`
}

func (s *server) listPootHistory(ctx context.Context, in *historyInput) (*answer[historyBody], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	verdicts, next, err := s.Scores.History(ctx, n.No, in.Limit, in.after())
	if err != nil {
		return nil, err
	}
	return answered(historyBody{shape(verdicts, shapeVerdict), in.next(next)})
}

func shapeVerdict(v score.Verdict) verdictBody {
	return verdictBody{
		ChallengeID: v.ChallengeID.String(), Verdict: string(v.Result), Reason: orNil(v.Reason), At: v.At, AnsweredMs: v.AnsweredMs,
		RuleVersion: v.RuleVersion, ScoreBefore: points(v.Before), ScoreAfter: points(v.After),
	}
}

func exampleScore() ScoreBody {
	return shapeScore("node_4f1c2a", score.Current{
		Record: score.Record{
			Score: 987_654_321, Confidence: 800_000_000, Counters: score.Counters{Verdicts: 200},
			Factors: score.Factors{Reputation: score.One, Timeliness: score.One, Availability: 987_654_321, Quality: score.One},
		},
		RuleVersion: score.RuleVersion, FailuresLeft: 10, CalculatedAt: exampleTime(), LastResult: score.Valid,
		OutputHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	})
}

func exampleVerdict() verdictBody {
	answeredMs := int32(412)
	return shapeVerdict(score.Verdict{
		No: 17, ChallengeID: uuid.MustParse("018e0000-0000-7000-8000-000000000001"), Result: score.Valid, At: exampleTime(),
		AnsweredMs: &answeredMs, RuleVersion: score.RuleVersion, Before: 987_000_000, After: 987_654_321,
	})
}
