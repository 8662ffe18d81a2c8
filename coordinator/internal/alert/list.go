package alert

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/db"
)

// Filter selects alerts; zero values select all. They come newest first.
type Filter struct {
	NodeID   string
	PoolID   string
	Kind     Kind
	Severity Severity
	State    State
	Active   bool  // pending and firing only
	Silenced *bool // by a silence that holds now
	Limit    int
	Offset   int
}

const (
	alertColumns = `a.alert_no, n.node_id, n.name, COALESCE(p.pool_id, ''), a.kind, a.state, a.severity, a.value, a.threshold, a.detail,
		a.started_at, a.fired_at, a.observed_at, a.resolved_at, a.end_reason, COALESCE(quiet.reason, ''), quiet.reason IS NOT NULL, a.worst`
	// $1 is the time of asking. Only what is open can be silenced.
	alertTables = ` FROM alert a JOIN node n USING (node_no) LEFT JOIN pool p ON p.pool_no = n.pool_no
		CROSS JOIN LATERAL (SELECT CASE WHEN a.state <> 'resolved'
			THEN alert_silenced_by(a.node_no, n.pool_no, n.status, a.kind, $1) END AS reason) quiet WHERE true`
)

func (s *Store) query(f Filter) db.Where {
	q := db.Where{Args: []any{s.now()}}
	if f.NodeID != "" {
		q.Add("n.node_id = $%d", f.NodeID)
	}
	if f.PoolID != "" {
		q.Add("p.pool_id = $%d", f.PoolID)
	}
	if f.Kind != "" {
		q.Add("a.kind = $%d", f.Kind)
	}
	if f.Severity != "" {
		q.Add("a.severity = $%d", f.Severity)
	}
	if f.State != "" {
		q.Add("a.state = $%d", f.State)
	}
	if f.Active {
		q.Text += " AND a.state <> 'resolved'"
	}
	if f.Silenced != nil {
		q.Add("(quiet.reason IS NOT NULL) = $%d", *f.Silenced)
	}
	return q
}

// List reads one page of alerts, and how many there are in all.
func (s *Store) List(ctx context.Context, f Filter) (alerts []Alert, total int, err error) {
	q := s.query(f)
	if err := s.cfg.Pool.QueryRow(ctx, "SELECT count(*)"+alertTables+q.Text, q.Args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count alerts: %w", err)
	}
	rows, err := s.cfg.Pool.Query(ctx, fmt.Sprintf("SELECT %s%s%s ORDER BY a.alert_no DESC LIMIT %d OFFSET %d",
		alertColumns, alertTables, q.Text, f.Limit, f.Offset), q.Args...)
	if err != nil {
		return nil, 0, fmt.Errorf("list alerts: %w", err)
	}
	alerts, err = pgx.CollectRows(rows, scanAlert)
	if err != nil {
		return nil, 0, fmt.Errorf("list alerts: %w", err)
	}
	return alerts, total, nil
}

// ActiveOf gives what is wrong with a node now, one alert a kind at most.
func (s *Store) ActiveOf(ctx context.Context, nodeID string) ([]Alert, error) {
	alerts, _, err := s.List(ctx, Filter{NodeID: nodeID, Active: true, Limit: len(Kinds())})
	return alerts, err
}

func scanAlert(row pgx.CollectableRow) (a Alert, err error) {
	err = row.Scan(&a.No, &a.NodeID, &a.NodeName, &a.PoolID, &a.Kind, &a.State, &a.Severity, &a.Value, &a.Threshold, &a.Detail,
		&a.StartedAt, &a.FiredAt, &a.ObservedAt, &a.ResolvedAt, &a.EndReason, &a.SilenceReason, &a.Silenced, &a.Worst)
	return a, err
}

// Counts are the alerts that fire now. Those that are silenced count once,
// whatever their severity.
type Counts struct{ Warning, Critical, Silenced int }

// Count counts the whole fleet's alerts.
func (s *Store) Count(ctx context.Context) (Counts, error) {
	var c Counts
	rows, err := sqlgen.New(s.cfg.Pool).CountFiring(ctx, s.now())
	if err != nil {
		return c, fmt.Errorf("count firing alerts: %w", err)
	}
	for _, r := range rows {
		switch n := int(r.Alerts); {
		case r.Silenced:
			c.Silenced += n
		case Severity(r.Severity) == Critical:
			c.Critical += n
		default:
			c.Warning += n
		}
	}
	return c, nil
}
