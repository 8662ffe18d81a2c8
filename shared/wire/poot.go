package wire

// Challenge is published to one node. Bytes are the canonical encoding of
// package proof; the other fields are readable copies and are never trusted.
type Challenge struct {
	V           int    `json:"v"`
	ChallengeID string `json:"challenge_id"` // 32 hexadecimal digits
	IssuedMs    int64  `json:"issued_ms"`
	DeadlineMs  int64  `json:"deadline_ms"`
	Difficulty  int    `json:"difficulty"`
	Count       int    `json:"count"`
	Bytes       []byte `json:"bytes"` // base64 in JSON
}

// Response is a node's answer. Bytes are the canonical encoding of package
// proof.
type Response struct {
	V           int    `json:"v"`
	ChallengeID string `json:"challenge_id"`
	Bytes       []byte `json:"bytes"`
}

// Verdict tells a node how its answer was judged.
type Verdict struct {
	V           int    `json:"v"`
	ChallengeID string `json:"challenge_id"`
	Verdict     string `json:"verdict"` // valid, invalid, late, missed, deferred, void
	Reason      string `json:"reason,omitempty"`
	AtMs        int64  `json:"at_ms"`
	// Score in 1e-9 (1e9 is 100 points) and the confidence in it.
	ScoreNano      int64 `json:"score_nano"`
	ConfidenceNano int64 `json:"confidence_nano"`
	// FailuresLeft is how many further failures in a row separate the node
	// from suspension; EarlyWarning says that they are few, and it is not
	// suspended yet.
	FailuresLeft int  `json:"failures_left"`
	EarlyWarning bool `json:"early_warning,omitempty"`
	// Factors are what the score is the product of; absent from a coordinator
	// before they were told.
	Factors *Factors `json:"factors,omitempty"`
}

// Factors of a score, each in 1e-9.
type Factors struct {
	ReputationNano   int64 `json:"reputation_nano"`
	TimelinessNano   int64 `json:"timeliness_nano"`
	AvailabilityNano int64 `json:"availability_nano"`
	QualityNano      int64 `json:"quality_nano"`
}
