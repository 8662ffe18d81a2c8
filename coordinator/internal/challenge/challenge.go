// Package challenge owns the challenges of PoOT (Proof of Ownership of Token):
// when a node is challenged, what it is asked, and how its answer is judged,
// once.
//
// It must never compute a score or change a node: whoever needs a verdict is
// given it inside the transaction that stores it.
package challenge

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Calibrated is the difficulty that follows each node's model and speed.
const Calibrated = -1

// Config of a Referee. What is not optional is required; the settings check its bounds.
type Config struct {
	Pool      *db.Pool
	Nodes     *node.Store
	PuzzleKey proof.Key

	Count      int           // k puzzles a challenge
	Difficulty int           // d bits each where neither node nor pool says; 0 is plain HMAC, Calibrated is by node
	Interval   time.Duration // mean gap between challenges of a node
	Deadline   time.Duration // to answer in time; at most half of Interval
	Validity   time.Duration // until an answer is late no more, but missed; at least Deadline
	Quiet      time.Duration // no routine challenges this long after the start

	// Publish hands a challenge or verdict to the node's connection.
	Publish func(nodeID string, channel wire.Channel, message any) error
	// ChainAt gives the running hash that telemetry had after a message;
	// known is false when it cannot be told.
	ChainAt func(ctx context.Context, tx db.Tx, nodeNo int32, run wire.RunID, seq uint64) (chain [32]byte, known bool, err error)
	// OurFault tells whether a fault of ours touched a span of time.
	OurFault func(ctx context.Context, tx db.Tx, from, to time.Time) (bool, error)
	// Heard tells until when everything that nodes sent has been read: silence is
	// known no later. Optional: until now.
	Heard func() time.Time
	// OnVerdict runs inside the transaction that stores a verdict and answers
	// what the node is told of its score.
	OnVerdict func(ctx context.Context, tx db.Tx, v Verdict) (Standing, error)
	// Standing tells a node's present standing, for a verdict that is sent again.
	Standing func(ctx context.Context, nodeNo int32) (Standing, error)
	// AfterVerdict is told of a verdict once it is committed. Optional.
	AfterVerdict func(nodeID string, v Verdict, s Standing)
	// Suspects gives the numbers of nodes that are to be in every cohort; at most
	// as many as a cohort holds make sense. Optional.
	Suspects func(ctx context.Context) ([]int32, error)
	// Counted is told of every answer that changed nothing, with the reason. Optional.
	Counted func(reason string)

	Logger *slog.Logger     // optional
	Now    func() time.Time // optional
	// Exponential draws from the exponential distribution of mean 1. Optional.
	Exponential func() float64
}

// Result of a challenge.
type Result string

// Results. Only valid and invalid speak of the key; late and missed of time;
// deferred and void of nobody: a fault of ours, or an operator's decision.
const (
	Valid    Result = "valid"
	Invalid  Result = "invalid"
	Late     Result = "late"
	Missed   Result = "missed"
	Deferred Result = "deferred"
	Void     Result = "void"
)

// Verdict is how a challenge ended.
type Verdict struct {
	No          int64
	ChallengeID proof.ID
	NodeNo      int32
	Result      Result
	Reason      string
	At          time.Time
	Answered    time.Duration // receipt minus issue; 0 without an answer
	Aside       bool          // on demand or at a start, too soon after another: stands, and counts nothing
	// What the answer shows of the node's quality, at 1e-9; nil says nothing.
	Prompt, Telemetry *int64
}

// Standing is what a verdict made of a node's score, at 1e-9.
type Standing struct {
	ScoreNano      int64
	ConfidenceNano int64
	Factors        wire.Factors // the score is their product
	FailuresLeft   int
	EarlyWarning   bool // few failures are left, and it is not suspended yet
}

// Referee issues challenges and judges answers.
type Referee struct {
	Config
	started   time.Time
	lastRound time.Time // only RunOnce uses it
}

// New makes a Referee.
func New(c Config) *Referee {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Exponential == nil {
		c.Exponential = rand.ExpFloat64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AfterVerdict == nil {
		c.AfterVerdict = func(string, Verdict, Standing) {}
	}
	if c.Counted == nil {
		c.Counted = func(string) {}
	}
	if c.Suspects == nil {
		c.Suspects = func(context.Context) ([]int32, error) { return nil, nil }
	}
	now := c.Now()
	return &Referee{Config: c, started: now, lastRound: now}
}
