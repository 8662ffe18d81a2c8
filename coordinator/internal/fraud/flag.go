package fraud

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

// State is where a flag is between a rule and a decision.
type State string

// States; a decided flag is dismissed or confirmed.
const (
	Open     State = "open"
	Appealed State = "appealed"
)

// Flag is what a rule found, and what became of it.
type Flag struct {
	No       int64
	NodeNo   int32
	NodeID   string
	NodeName string
	PoolID   string // where the node is now
	Rule     Rule   // as it was then: its version, layer and severity are the stored ones
	Subject  string
	Evidence json.RawMessage
	At       time.Time // of the evidence
	FoundAt  time.Time
	State    State

	Appeal     *string
	AppealedBy *string
	AppealedAt *time.Time
	Reason     *string // of the decision
	DecidedBy  *string
	DecidedAt  *time.Time
}

// ID is the flag's name outside.
func (f Flag) ID() string { return idOf(f.No) }

func (f Flag) name() name { return name{f.NodeID, f.PoolID} }

const idPrefix = "flag_"

func idOf(no int64) string { return idPrefix + strconv.FormatInt(no, 10) }

func notFound(flagID string) error { return fault.New(fault.OtherNotFound, "no flag %s", flagID) }

func flag(ctx context.Context, q sqlgen.DBTX, flagID string) (Flag, error) {
	no, err := strconv.ParseInt(strings.TrimPrefix(flagID, idPrefix), 10, 64)
	if err != nil || idOf(no) != flagID {
		return Flag{}, notFound(flagID)
	}
	row, err := sqlgen.New(q).Flag(ctx, no)
	if errors.Is(err, pgx.ErrNoRows) {
		return Flag{}, notFound(flagID)
	} else if err != nil {
		return Flag{}, fmt.Errorf("read %s: %w", flagID, err)
	}
	return flagOf(row), nil
}

func flagOf(r sqlgen.FlagRow) Flag {
	rule, _ := RuleByID(r.FraudFlag.Rule)
	rule.ID, rule.Version = r.FraudFlag.Rule, int(r.FraudFlag.RuleVersion)
	rule.Layer, rule.Severity = Layer(r.FraudFlag.Layer), Severity(r.FraudFlag.Severity)
	f := Flag{
		No: r.FraudFlag.FlagNo, NodeNo: r.FraudFlag.NodeNo, NodeID: r.NodeID, NodeName: r.Name, PoolID: r.PoolID,
		Rule: rule, Subject: r.FraudFlag.Subject, Evidence: r.FraudFlag.Evidence, At: r.FraudFlag.At, FoundAt: r.FraudFlag.FoundAt,
		State: Open, Appeal: r.Appeal, AppealedBy: r.AppealedBy, AppealedAt: r.AppealedAt, Reason: r.Reason, DecidedBy: r.DecidedBy, DecidedAt: r.DecidedAt,
	}
	switch {
	case r.Decision != nil:
		f.State = State(*r.Decision)
	case r.Appeal != nil:
		f.State = Appealed
	}
	return f
}

// Filter selects flags; zero values select all.
type Filter struct {
	NodeID   string
	Rule     string
	Severity Severity
	State    State
	Offset   int
	Limit    int // at most 100; 0 means 20
}

// List reads flags, newest first, and how many match in all.
func (s *Store) List(ctx context.Context, f Filter) (flags []Flag, total int, err error) {
	q := sqlgen.New(s.cfg.Pool)
	count, err := q.CountFlags(ctx, sqlgen.CountFlagsParams{NodeID: f.NodeID, Rule: f.Rule, Severity: string(f.Severity), State: string(f.State)})
	if err != nil {
		return nil, 0, fmt.Errorf("count flags: %w", err)
	}
	rows, err := q.Flags(ctx, sqlgen.FlagsParams{
		NodeID: f.NodeID, Rule: f.Rule, Severity: string(f.Severity), State: string(f.State),
		Skip: int32(f.Offset), Most: int32(min(cmp.Or(f.Limit, 20), 100)),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list flags: %w", err)
	}
	for _, r := range rows {
		flags = append(flags, flagOf(sqlgen.FlagRow(r)))
	}
	return flags, int(count), nil
}
