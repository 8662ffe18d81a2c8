// Package statement owns what others can recompute: the statement of a node
// with all evidence, the export of a span of time, and the verifier of such an
// export, which needs no database.
//
// It must never compute a figure by a rule of its own: the rules are those that
// the epoch, the score and the ledger are made by.
package statement

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

// Version numbers the form of an export.
const Version = 1

// What a record of an export is.
const (
	recordExport = "export"
	recordEpoch  = "epoch"
	recordLine   = "line"
	recordEntry  = "entry"
	recordEnd    = "end"
)

// header begins an export: what was closed and posted in [From, To).
type header struct {
	Record  string    `json:"record"`
	Version int       `json:"version"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
}

// epochRecord is a closed epoch of a pool. Its lines follow it.
type epochRecord struct {
	Record   string        `json:"record"`
	PoolID   string        `json:"pool_id"`
	StartsAt time.Time     `json:"starts_at"`
	EndsAt   time.Time     `json:"ends_at"`
	ClosedAt time.Time     `json:"closed_at"`
	Reward   ledger.Amount `json:"reward"`
	EntryID  *uuid.UUID    `json:"entry_id"` // null: a reward of 0 needs no entry
	Lines    int           `json:"lines"`
	Faults   []Interval    `json:"fault_windows"` // of ours around it
}

// Interval is a span of time: From <= t < To. One that had not ended is given
// an end past all that was looked at.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// State is a status of a node and when it had it.
type State struct {
	Status string `json:"status"`
	Interval
}

// Line is what a node earned in an epoch, and all that it follows from.
type Line struct {
	Record      string          `json:"record,omitempty"`
	PoolID      string          `json:"pool_id"`
	NodeID      string          `json:"node_id"`
	StartsAt    time.Time       `json:"starts_at"`
	EndsAt      time.Time       `json:"ends_at"`
	MemberMs    int64           `json:"member_ms"`   // time in the pool
	CreditedMs  int64           `json:"credited_ms"` // of it: active and connected
	ScoreNano   int64           `json:"score"`       // as of the epoch's end, 1e9 = 100 points
	Factors     json.RawMessage `json:"factors"`
	Weight      int64           `json:"weight"` // score * credited_ms
	Share       ledger.Amount   `json:"share"`
	Destination string          `json:"destination"`
	Reasons     []string        `json:"reasons"`
	Evidence    Evidence        `json:"evidence"`
}

// Evidence is what a line follows from.
type Evidence struct {
	Membership []Interval  `json:"membership"`
	Presence   []Interval  `json:"presence"`
	States     []State     `json:"states"`
	Trail      score.Trail `json:"score"`
	Vetted     bool        `json:"vetted"`
	Held       bool        `json:"held"` // for suspected fraud
	// Left is what the node could still earn that day, where that cut its share.
	Left *ledger.Amount `json:"left,omitempty"`
}

// entryRecord is an entry of the ledger.
type entryRecord struct {
	Record    string          `json:"record"`
	No        int64           `json:"entry_no"`
	ID        uuid.UUID       `json:"entry_id"`
	Kind      string          `json:"kind"`
	Ref       string          `json:"ref"`
	At        time.Time       `json:"at"`
	InputHash hexHash         `json:"input_hash"`
	PrevHash  hexHash         `json:"prev_hash"`
	Hash      hexHash         `json:"hash"`
	Postings  []postingRecord `json:"postings"`
}

type postingRecord struct {
	Account ledger.Kind   `json:"account"`
	Owner   string        `json:"owner"`
	Amount  ledger.Amount `json:"amount"`
}

// end closes an export: one without it is not whole.
type end struct {
	Record  string  `json:"record"`
	Epochs  int     `json:"epochs"`
	Lines   int     `json:"lines"`
	Entries int     `json:"entries"`
	Head    hexHash `json:"ledger_head"` // hash of the last entry
}

// hexHash is a hash as 64 hex digits.
type hexHash ledger.Hash

// MarshalText writes hex.
func (h hexHash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads exactly as many hex digits as a hash has.
func (h *hexHash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return hex.ErrLength
	}
	_, err := hex.Decode(h[:], text)
	return err
}

func lineOf(l epoch.Line, m epoch.Member, trail score.Trail) Line {
	if trail.Since == nil {
		trail.Since = []score.Counted{}
	}
	return Line{
		PoolID: l.PoolID, NodeID: l.NodeID, StartsAt: l.StartsAt.UTC(), EndsAt: l.EndsAt.UTC(),
		MemberMs: l.MemberMs, CreditedMs: l.CreditedMs, ScoreNano: l.ScoreNano, Factors: l.Factors, Weight: l.Weight,
		Share: l.Share, Destination: l.Destination, Reasons: l.Reasons,
		Evidence: Evidence{
			Membership: intervalsOf(m.Evidence.Membership), Presence: intervalsOf(m.Evidence.Presence), States: statesOf(m.Evidence.States),
			Trail: trail, Vetted: m.Score.Vetted, Held: m.Score.Held, Left: m.Left,
		},
	}
}

func intervalsOf(spans []span.Interval) []Interval {
	out := make([]Interval, len(spans))
	for i, s := range spans {
		out[i] = Interval{s.From.UTC(), s.To.UTC()}
	}
	return out
}

func spansOf(intervals []Interval) []span.Interval {
	out := make([]span.Interval, len(intervals))
	for i, s := range intervals {
		out[i] = span.Interval(s)
	}
	return out
}

func statesOf(states []epoch.State) []State {
	out := make([]State, len(states))
	for i, s := range states {
		out[i] = State{s.Status, Interval{s.From.UTC(), s.To.UTC()}}
	}
	return out
}

// member is what the rule of the epoch needs of a line's evidence, with the
// score that was computed from it.
func (l Line) member(computed *score.Record) epoch.Member {
	m := epoch.Member{NodeID: l.NodeID, Score: epoch.ScoreAt{Vetted: l.Evidence.Vetted, Held: l.Evidence.Held, Factors: l.Factors}, Left: l.Evidence.Left}
	if computed != nil {
		m.Score.ScoreNano = computed.Score
	}
	m.Evidence.Membership, m.Evidence.Presence = spansOf(l.Evidence.Membership), spansOf(l.Evidence.Presence)
	for _, s := range l.Evidence.States {
		m.Evidence.States = append(m.Evidence.States, epoch.State{Interval: span.Interval(s.Interval), Status: s.Status})
	}
	return m
}

func entryOf(e ledger.Stored) entryRecord {
	r := entryRecord{
		Record: recordEntry, No: e.No, ID: e.ID, Kind: e.Kind, Ref: e.Ref, At: e.At.UTC(),
		InputHash: hexHash(e.InputHash), PrevHash: hexHash(e.PrevHash), Hash: hexHash(e.Hash), Postings: make([]postingRecord, len(e.Postings)),
	}
	for i, p := range e.Postings {
		r.Postings[i] = postingRecord{p.Account.Kind, p.Account.Owner, p.Amount}
	}
	return r
}

func (r entryRecord) stored() ledger.Stored {
	s := ledger.Stored{
		ID: r.ID, No: r.No, InputHash: ledger.Hash(r.InputHash), PrevHash: ledger.Hash(r.PrevHash), Hash: ledger.Hash(r.Hash),
		Entry: ledger.Entry{Kind: r.Kind, Ref: r.Ref, At: r.At, Postings: make([]ledger.Posting, len(r.Postings))},
	}
	for i, p := range r.Postings {
		s.Postings[i] = ledger.Posting{Account: ledger.Account{Kind: p.Account, Owner: p.Owner}, Amount: p.Amount}
	}
	return s
}
