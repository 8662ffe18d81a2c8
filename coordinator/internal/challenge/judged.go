package challenge

import "github.com/google/uuid"

// Judged is the body of a proof event: how a challenge ended.
type Judged struct {
	ChallengeID string `json:"challenge_id"`
	Result      Result `json:"result"`
	Reason      string `json:"reason,omitempty"`
	AnsweredMs  *int32 `json:"answered_ms,omitempty" doc:"From the challenge to its answer; absent without one."`
	RuleVersion int    `json:"rule_version"`
}

func judgedOf(v *Verdict, answeredMs *int32) Judged {
	return Judged{
		ChallengeID: uuid.UUID(v.ChallengeID).String(), Result: v.Result, Reason: v.Reason,
		AnsweredMs: answeredMs, RuleVersion: RuleVersion,
	}
}
