package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/fault"
)

// Filter selects and orders nodes. Zero values select all, newest first.
type Filter struct {
	Status string
	Type   string
	PoolID string
	Online *bool
	Labels map[string]string // all of them
	IDs    []string          // only these; empty: all
	Query  string            // part of name, id, model or city, in any case
	Sort   string            // created_at (default), updated_at, name, poot_score, last_heartbeat
	Order  string            // asc, desc (default)
	Limit  int               // 1..100
	Offset int
	After  string // cursor of the page before; excludes Offset
}

// sortColumns are the columns a list may be ordered by. Each is read as text
// for the cursor and compared in its own type.
var sortColumns = map[string]struct{ expression, kind string }{
	"created_at":     {"n.created_at", "timestamptz"},
	"updated_at":     {"n.updated_at", "timestamptz"},
	"name":           {"n.name", "text"},
	"poot_score":     {"n.poot_score", "bigint"},
	"last_heartbeat": {"COALESCE(GREATEST(n.last_heartbeat, l.received_at), 'epoch')", "timestamptz"},
}

const (
	nodeColumns = `n.node_no, n.node_id, n.name, n.node_type, n.status, n.status_reason, n.status_until, COALESCE(p.pool_id, ''),
		n.inventory, n.location, n.configuration, n.labels, n.version, n.payout_address, n.poot_score, n.online, n.agent_version, GREATEST(n.last_heartbeat, l.received_at),
		o.from_at, n.created_at, n.updated_at`
	nodeTables = ` FROM node n LEFT JOIN pool p USING (pool_no) LEFT JOIN sample_latest l USING (node_no)
		LEFT JOIN node_presence o ON o.node_no = n.node_no AND o.to_at IS NULL`
)

// Get reads one node.
func (s *Store) Get(ctx context.Context, nodeID string) (Node, error) {
	n, err := scanNode(s.Pool.QueryRow(ctx, "SELECT "+nodeColumns+nodeTables+" WHERE n.node_id = $1 AND n.deleted_at IS NULL", nodeID))
	if errors.Is(err, pgx.ErrNoRows) {
		return Node{}, fault.New(fault.NodeNotFound, "no node %s", nodeID)
	} else if err != nil {
		return Node{}, fmt.Errorf("read node %s: %w", nodeID, err)
	}
	return n, nil
}

// List reads one page of nodes, how many there are in all, and the cursor of
// the next page ("" at the end).
func (s *Store) List(ctx context.Context, f Filter) (nodes []Node, total int, next string, err error) {
	q, err := newListQuery(f)
	if err != nil {
		return nil, 0, "", err
	}
	err = s.Pool.QueryRow(ctx, "SELECT count(*) FROM node n"+q.where(), q.args...).Scan(&total)
	if err != nil {
		return nil, 0, "", fmt.Errorf("count nodes: %w", err)
	}
	sql, args := q.page()
	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, 0, "", fmt.Errorf("list nodes: %w", err)
	}
	var keys []string
	nodes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Node, error) {
		var key string
		n, err := scanNode(row, &key)
		keys = append(keys, key)
		return n, err
	})
	if err != nil {
		return nil, 0, "", fmt.Errorf("list nodes: %w", err)
	}
	if len(nodes) > f.Limit {
		return nodes[:f.Limit], total, encodeCursor(keys[f.Limit-1], nodes[f.Limit-1].No), nil
	}
	return nodes, total, "", nil
}

func scanNode(row pgx.Row, more ...any) (n Node, err error) {
	var inventory, location, configuration, labels []byte
	var heartbeat, since *time.Time
	err = row.Scan(append([]any{
		&n.No, &n.ID, &n.Name, &n.Type, &n.Status, &n.StatusReason, &n.StatusUntil, &n.PoolID,
		&inventory, &location, &configuration, &labels, &n.Version, &n.PayoutAddress, &n.ScoreNano, &n.Online, &n.AgentVersion, &heartbeat, &since, &n.CreatedAt, &n.UpdatedAt,
	}, more...)...)
	if err != nil {
		return n, err
	}
	n.LastHeartbeat, n.OnlineSince = heartbeat, since
	return n, errors.Join(json.Unmarshal(inventory, &n.Inventory), json.Unmarshal(location, &n.Location),
		json.Unmarshal(configuration, &n.Configuration), json.Unmarshal(labels, &n.Labels))
}

// listQuery builds the WHERE of a list from placeholders only.
type listQuery struct {
	filter     Filter
	conditions []string
	args       []any
	sort       struct{ expression, kind string }
	order      string
	after      *cursor
}

// Check tells what of the filter no list can be read by.
func (f Filter) Check() error {
	_, err := newListQuery(f)
	return err
}

func newListQuery(f Filter) (*listQuery, error) {
	q := &listQuery{filter: f, order: "DESC", conditions: []string{"n.deleted_at IS NULL"}}
	if f.Sort == "" {
		f.Sort = "created_at"
	}
	var ok bool
	if q.sort, ok = sortColumns[f.Sort]; !ok {
		return nil, fault.New(fault.Validation, "unknown sort").WithFields(fault.Field{Name: "sort", Reason: "no such column"})
	}
	if f.Order == "asc" {
		q.order = "ASC"
	}
	q.add("n.status = $%d", f.Status, f.Status != "")
	q.add("n.node_type = $%d", f.Type, f.Type != "")
	q.add("n.pool_no = (SELECT pool_no FROM pool WHERE pool_id = $%d)", f.PoolID, f.PoolID != "")
	q.add("n.online = $%d", f.Online, f.Online != nil)
	q.add("n.labels @> $%d", nonNil(f.Labels), len(f.Labels) > 0)
	q.add("n.node_id = ANY($%d)", f.IDs, len(f.IDs) > 0)
	// LIKE, because the index on trigrams serves it; without that index it is
	// only slower.
	q.add("n.search LIKE $%d", "%"+likeLiteral(strings.ToLower(f.Query))+"%", f.Query != "")
	if f.After != "" {
		if q.after, ok = decodeCursor(f.After, q.sort.kind); !ok {
			return nil, fault.New(fault.Validation, "unreadable cursor").
				WithFields(fault.Field{Name: "cursor", Reason: "is not one that a page before gave"})
		}
	}
	return q, nil
}

func (q *listQuery) add(condition string, arg any, wanted bool) {
	if wanted {
		q.args = append(q.args, arg)
		q.conditions = append(q.conditions, fmt.Sprintf(condition, len(q.args)))
	}
}

// likeLiteral keeps what LIKE gives a meaning from having one.
func likeLiteral(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

func (q *listQuery) where() string {
	return " WHERE " + strings.Join(q.conditions, " AND ")
}

// page asks for one row more than the limit, which tells whether a next page
// exists.
func (q *listQuery) page() (string, []any) {
	conditions, args := q.conditions, q.args
	if q.after != nil {
		comparison := map[string]string{"ASC": ">", "DESC": "<"}[q.order]
		args = append(args[:len(args):len(args)], q.after.key, q.after.nodeNo)
		conditions = append(conditions[:len(conditions):len(conditions)], fmt.Sprintf("(%s, n.node_no) %s ($%d::text::%s, $%d)",
			q.sort.expression, comparison, len(args)-1, q.sort.kind, len(args)))
	}
	paged := listQuery{conditions: conditions}
	offset := q.filter.Offset
	if q.after != nil {
		offset = 0
	}
	return fmt.Sprintf("SELECT %s, (%s)::text %s%s ORDER BY %s %s, n.node_no %s LIMIT %d OFFSET %d",
		nodeColumns, q.sort.expression, nodeTables, paged.where(), q.sort.expression, q.order, q.order, q.filter.Limit+1, offset), args
}
