package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score/sqlgen"
)

// Config of a Store. SetNodeScore is required: it keeps the copy of the score
// that lists of nodes show, in the caller's transaction.
type Config struct {
	Pool         *db.Pool // for all that is no part of a verdict
	SetNodeScore func(ctx context.Context, tx db.Tx, nodeNo int32, score int64) error
	Vetting      Vetting
	Now          func() time.Time
}

// Store keeps the scores and the history of their changes.
type Store struct {
	pool         *db.Pool
	setNodeScore func(ctx context.Context, tx db.Tx, nodeNo int32, score int64) error
	vetting      Vetting
	now          func() time.Time
}

// NewStore makes a store.
func NewStore(cfg Config) (*Store, error) {
	if cfg.Pool == nil || cfg.SetNodeScore == nil {
		return nil, errors.New("score: Config.Pool and Config.SetNodeScore are required")
	}
	s := &Store{pool: cfg.Pool, setNodeScore: cfg.SetNodeScore, vetting: cfg.Vetting, now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Change is what one verdict did to a node's score. Scores and confidence are
// at 1e-9 (One is 100 points).
type Change struct {
	VerdictNo     int64
	Before, After int64
	Factors       Factors // of After
	Confidence    int64
	FailuresLeft  int
	Was, Standing Standing // before and after the verdict
	Vetted        bool
	Steps         []Step // how Before became After
	Repeated      bool   // the verdict was counted earlier; nothing was written
}

// document is what a change keeps as jsonb: enough to explain it, to go on from
// it, and to compute it again.
type document struct {
	Factors
	Confidence int64    `json:"confidence"`
	Counters   Counters `json:"counters"`
	// AvailabilityUntil is where availability's Period ended.
	AvailabilityUntil time.Time `json:"availability_until,omitzero"`
}

func (r Record) encode(availabilityUntil time.Time) ([]byte, error) {
	return json.Marshal(document{Factors: r.Factors, Confidence: r.Confidence, Counters: r.Counters, AvailabilityUntil: availabilityUntil.UTC()})
}

func decodeRecord(score int64, raw []byte) (Record, error) {
	d := document{Counters: New()} // older ones lack what quality is made of
	if err := json.Unmarshal(raw, &d); err != nil {
		return Record{}, fmt.Errorf("stored factors: %w", err)
	}
	return Record{Score: score, Confidence: d.Confidence, Factors: d.Factors, Counters: d.Counters}, nil
}

// ParseFactors reads the factors out of a stored document, as AsOf gives it;
// nil when there is none.
func ParseFactors(raw json.RawMessage) (*Factors, error) {
	var d *document
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("stored factors: %w", err)
	}
	if d == nil {
		return nil, nil
	}
	return &d.Factors, nil
}

// OnVerdict counts a verdict that stands in the same transaction, exactly
// once: another call with the same verdict changes nothing and gives the same
// answer. Deferred and void verdicts are recorded and count nothing.
func (s *Store) OnVerdict(ctx context.Context, tx db.Tx, e Entry) (Change, error) {
	e.At = e.At.UTC().Truncate(time.Microsecond) // as Postgres keeps it, so that a replay computes with the same time
	change, err := s.onVerdict(ctx, tx, e)
	if err != nil {
		return Change{}, fmt.Errorf("scoring verdict %d of node number %d: %w", e.No, e.NodeNo, err)
	}
	return change, nil
}

// Entry is a verdict that is to be counted.
type Entry struct {
	NodeNo int32
	No     int64 // of the verdict
	Reason string
	Judged
}

// text is the reason that stands with the change.
func (e Entry) text() string {
	text := string(e.Result)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Aside {
		text += " (too soon after another, not counted)"
	}
	return text
}

func (s *Store) onVerdict(ctx context.Context, tx db.Tx, v Entry) (Change, error) {
	q := sqlgen.New(tx)
	row, err := lock(ctx, q, v)
	if err != nil {
		return Change{}, err
	}
	switch done, err := q.ChangeOf(ctx, v.No); {
	case err == nil:
		return repeated(ctx, q, v, row, done)
	case !errors.Is(err, pgx.ErrNoRows):
		return Change{}, err
	}
	before, err := decodeRecord(row.Score, row.Factors)
	if err != nil {
		return Change{}, err
	}
	counters, err := Apply(before.Counters, v.Judged)
	if err != nil {
		return Change{}, err
	}
	availability, until, err := availabilityAt(ctx, tx, v.NodeNo, v.At)
	if err != nil {
		return Change{}, err
	}
	after := Evaluate(counters, availability)
	vettedAt, err := s.vettedAt(ctx, q, v, row.VettedAt, counters.Verdicts)
	if err != nil {
		return Change{}, err
	}
	if err := s.write(ctx, tx, v, before, after, until, vettedAt); err != nil {
		return Change{}, err
	}
	return newChange(v.No, before, after, vettedAt != nil), nil
}

// lock gives the node's row to this transaction alone, so that its verdicts
// are counted one after the other.
func lock(ctx context.Context, q *sqlgen.Queries, v Entry) (sqlgen.Score, error) {
	start := New()
	raw, err := Record{Counters: start}.encode(time.Time{})
	if err != nil {
		return sqlgen.Score{}, err
	}
	if err := q.InsertMissing(ctx, sqlgen.InsertMissingParams{
		NodeNo: v.NodeNo, ReputationA: start.ReputationA, ReputationB: start.ReputationB, TimelyA: start.TimelyA, TimelyB: start.TimelyB,
		Factors: raw, RuleVersion: RuleVersion, CalculatedAt: v.At,
	}); err != nil {
		return sqlgen.Score{}, err
	}
	return q.Lock(ctx, v.NodeNo)
}

func newChange(verdictNo int64, before, after Record, vetted bool) Change {
	return Change{
		VerdictNo: verdictNo, Before: before.Score, After: after.Score, Factors: after.Factors, Confidence: after.Confidence,
		FailuresLeft: FailuresLeft(after.Counters), Was: before.Counters.Standing, Standing: after.Counters.Standing,
		Vetted: vetted, Steps: Explain(before, after),
	}
}

// repeated gives the change that was recorded when the verdict was counted.
func repeated(ctx context.Context, q *sqlgen.Queries, v Entry, row sqlgen.Score, done sqlgen.ScoreChange) (Change, error) {
	if done.NodeNo != v.NodeNo {
		return Change{}, fmt.Errorf("the verdict was counted for node number %d", done.NodeNo)
	}
	after, err := decodeRecord(done.After, done.Factors)
	if err != nil {
		return Change{}, err
	}
	before := Record{Counters: New()}
	switch previous, err := q.ChangeBefore(ctx, sqlgen.ChangeBeforeParams{NodeNo: v.NodeNo, ChangeNo: done.ChangeNo}); {
	case err == nil:
		if before, err = decodeRecord(previous.After, previous.Factors); err != nil {
			return Change{}, err
		}
	case !errors.Is(err, pgx.ErrNoRows):
		return Change{}, err
	}
	change := newChange(v.No, before, after, vettedBy(row.VettedAt, done.At))
	change.Repeated = true
	return change, nil
}

func vettedBy(vettedAt *time.Time, at time.Time) bool { return vettedAt != nil && !vettedAt.After(at) }

// vettedAt is when the node passed vetting; once passed, it stays so.
func (s *Store) vettedAt(ctx context.Context, q *sqlgen.Queries, v Entry, vetted *time.Time, verdicts int64) (*time.Time, error) {
	if vetted != nil {
		return vetted, nil
	}
	first, err := q.FirstChange(ctx, v.NodeNo)
	if errors.Is(err, pgx.ErrNoRows) {
		first, err = v.At, nil
	}
	if err != nil || !s.vetting.Passed(verdicts, first, v.At) {
		return nil, err
	}
	return &v.At, nil
}

func (s *Store) write(ctx context.Context, tx db.Tx, v Entry, before, after Record, until time.Time, vettedAt *time.Time) error {
	raw, err := after.encode(until)
	if err != nil {
		return err
	}
	reason := v.text()
	q, c := sqlgen.New(tx), after.Counters
	if err := q.Update(ctx, sqlgen.UpdateParams{
		NodeNo: v.NodeNo, ReputationA: c.ReputationA, ReputationB: c.ReputationB, TimelyA: c.TimelyA, TimelyB: c.TimelyB,
		Verdicts: c.Verdicts, VerdictNo: v.No, Score: after.Score, Confidence: after.Confidence, Factors: raw,
		RuleVersion: RuleVersion, VettedAt: vettedAt, CalculatedAt: v.At,
	}); err != nil {
		return err
	}
	if err := q.InsertChange(ctx, sqlgen.InsertChangeParams{
		NodeNo: v.NodeNo, VerdictNo: v.No, At: v.At, Before: before.Score, After: after.Score, Factors: raw, Reason: reason,
	}); err != nil {
		return err
	}
	if err := s.setNodeScore(ctx, tx, v.NodeNo, after.Score); err != nil || before.Score == after.Score {
		return err
	}
	return publish(ctx, tx, v.NodeNo, Changed{
		Before: Points(before.Score), After: Points(after.Score), Verdicts: c.Verdicts, Reason: reason,
	}, v.At)
}
