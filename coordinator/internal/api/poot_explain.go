package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/score"
)

func (s *server) pootExplainOperations() {
	register(s, operation{
		id: "explainPootScore", method: http.MethodGet, path: basePath + "/nodes/{node_id}/poot/explain", tag: "poot", role: access.Viewer, owner: true,
		summary: "Explain a node's score",
		description: "As waterfalls: steps lead from the 100 points of a perfect record to the score, factor by factor, and their points sum to it exactly; " +
			"last_change does the same for what the last verdict did. standing says what the record means for the node's work.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleExplained(),
	}, s.explainPootScore)
	register(s, operation{
		id: "calculatePootScore", method: http.MethodPost, path: basePath + "/nodes/{node_id}/poot/calculate", tag: "poot", role: access.Operator,
		summary: "Challenge a node now",
		description: "Has the node challenged within a second or two, waits for the verdict or the deadline, and answers the score. judged says which of both came. " +
			"Challenges on demand count at most once in a mean gap between challenges; others stand in the history and change no score.",
		wait: s.ProofWait, errors: []fault.Code{fault.NodeNotFound, fault.NodeOffline, fault.StateNotAllowed},
		example: calculatedBody{Judged: true, ScoreBody: exampleScore()},
	}, s.calculatePootScore)
}

type calculatedBody struct {
	Judged bool `json:"judged" doc:"The verdict came before the deadline; else the score is what it was."`
	ScoreBody
}

func (s *server) calculatePootScore(ctx context.Context, in *NodeInput) (*answer[calculatedBody], error) {
	ticket, err := s.Proofs.Demand(ctx, by(ctx), in.NodeID)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, s.ProofWait)
	defer cancel()
	judged, err := s.Proofs.Await(waiting, ticket)
	if err != nil {
		return nil, err
	}
	current, err := s.Scores.Get(ctx, ticket.NodeNo)
	if err != nil {
		return nil, err
	}
	return answered(calculatedBody{judged, shapeScore(in.NodeID, current)})
}

type explainedBody struct {
	NodeID       string                  `json:"node_id"`
	Score        points                  `json:"score"`
	Confidence   ratio                   `json:"confidence"`
	RuleVersion  *int                    `json:"rule_version" doc:"null before the first verdict, as calculated_at."`
	CalculatedAt *time.Time              `json:"calculated_at"`
	Steps        []stepBody              `json:"steps" nullable:"false" doc:"From a perfect record to the score; empty before the first counted verdict."`
	LastChange   orNull[scoreChangeBody] `json:"last_change" doc:"null before the first verdict."`
	Standing     explainedStanding       `json:"standing"`
}

type stepBody struct {
	Factor string       `json:"factor" enum:"first_verdict,reputation,timeliness,availability,quality"`
	Before ratio        `json:"before" doc:"The factor; 1 is perfect."`
	After  ratio        `json:"after"`
	Points signedPoints `json:"points" doc:"What its move added to the score, or took from it."`
}

type scoreChangeBody struct {
	At          time.Time  `json:"at"`
	Reason      string     `json:"reason" doc:"The verdict, and why."`
	ScoreBefore points     `json:"score_before"`
	ScoreAfter  points     `json:"score_after"`
	Steps       []stepBody `json:"steps" nullable:"false"`
}

type explainedStanding struct {
	Suspended      bool       `json:"suspended" doc:"By the record; an operator may have decided otherwise."`
	Disqualified   bool       `json:"disqualified"`
	Reason         *string    `json:"reason" enum:"low_reputation,low_timeliness,low_reputation_and_timeliness,reputation_lost"`
	DisqualifiesAt *time.Time `json:"disqualifies_at" doc:"End of the grace that a lost reputation has to recover; null without."`
	FailuresLeft   int        `json:"failures_left" doc:"So many failures in a row lead to suspension."`
	EarlyWarning   bool       `json:"early_warning" doc:"Fewer than 10 of them, and not suspended yet."`
}

func (s *server) explainPootScore(ctx context.Context, in *NodeInput) (*answer[explainedBody], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	e, err := s.Scores.ExplainOf(ctx, n.No)
	if err != nil {
		return nil, err
	}
	return answered(shapeExplained(in.NodeID, e))
}

func shapeExplained(nodeID string, e score.Explained) explainedBody {
	standing := e.Counters.Standing
	b := explainedBody{
		NodeID: nodeID, Score: points(e.Score), Confidence: ratio(e.Confidence), Steps: shape(e.Whole, shapeStep),
		Standing: explainedStanding{
			Suspended: standing.Suspended(), Disqualified: standing.Disqualified, Reason: orNil(standing.Reason()),
			FailuresLeft: e.FailuresLeft, EarlyWarning: e.EarlyWarning(),
		},
	}
	if at, pending := standing.DisqualifiesAt(); pending {
		b.Standing.DisqualifiesAt = &at
	}
	if e.Last != nil {
		b.RuleVersion, b.CalculatedAt = &e.RuleVersion, &e.CalculatedAt
		b.LastChange.value = &scoreChangeBody{
			At: e.Last.At, Reason: e.Last.Reason, ScoreBefore: points(e.Last.Before), ScoreAfter: points(e.Last.After), Steps: shape(e.Last.Steps, shapeStep),
		}
	}
	return b
}

func shapeStep(s score.Step) stepBody {
	return stepBody{Factor: s.Factor, Before: ratio(s.Before), After: ratio(s.After), Points: signedPoints(s.Points)}
}

func exampleExplained() explainedBody {
	factors := score.Factors{Reputation: score.One, Timeliness: 950_000_000, Availability: score.One, Quality: score.One}
	c := score.Counters{Verdicts: 200}
	record := score.Record{Score: factors.Score(), Confidence: 800_000_000, Factors: factors, Counters: c}
	before := score.Record{Score: score.One, Confidence: 799_000_000, Factors: score.Factors{Reputation: score.One, Timeliness: score.One, Availability: score.One, Quality: score.One}}
	return shapeExplained("node_4f1c2a", score.Explained{
		Current: score.Current{Record: record, RuleVersion: score.RuleVersion, FailuresLeft: 9, CalculatedAt: exampleTime(), LastResult: score.Missed},
		Whole:   score.Explain(score.Record{}, record),
		Last:    &score.Moved{At: exampleTime(), Reason: "missed: no_answer", Before: score.One, After: record.Score, Steps: score.Explain(before, record)},
	})
}
