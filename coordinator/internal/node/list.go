package node

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/db"
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

// sortColumns are the columns a list may be ordered by; each has an index that
// ends with the table's node_no.
var sortColumns = map[string]struct{ table, column, kind string }{
	"created_at":     {"n", "created_at", "timestamptz"},
	"updated_at":     {"n", "updated_at", "timestamptz"},
	"name":           {"n", "name", "text"},
	"poot_score":     {"n", "poot_score", "bigint"},
	"last_heartbeat": {"h", "at", "timestamptz"},
}

// Listed is a node on a page of a list.
type Listed struct {
	*Node
	LastHeartbeat *time.Time // instead of Node's
}

// List reads one page of nodes, how many there are in all, and the cursor of
// the next page ("" at the end). The total, and heartbeats unless the list is
// ordered by them, are at most a second old. What the nodes point to is shared
// and must not be changed.
func (s *Store) List(ctx context.Context, f Filter) (nodes []Listed, total int, next string, err error) {
	q, err := newListQuery(f)
	if err != nil {
		return nil, 0, "", err
	}
	page, last, err := s.see(ctx, q)
	if err != nil {
		return nil, 0, "", fmt.Errorf("list nodes: %w", err)
	}
	page, more := db.Cut(page, f.Limit)
	if more {
		next = encodeCursor(q.ordering(), last.text(q.sort.kind), page[f.Limit-1].no)
	}
	total, err = s.totals.Of(ctx, db.Page{Offset: f.Offset, Items: len(page), More: more, Cursor: f.After != ""},
		"SELECT count(*) FROM node n"+q.where(), q.args...)
	if err != nil {
		return nil, 0, "", fmt.Errorf("count nodes: %w", err)
	}
	rows, err := s.recall(ctx, page)
	if err != nil {
		return nil, 0, "", fmt.Errorf("list nodes: %w", err)
	}
	nodes = make([]Listed, 0, len(rows))
	for i, n := range rows {
		if n != nil {
			nodes = append(nodes, Listed{n, page[i].heartbeat()})
		}
	}
	return nodes, total, next, nil
}

// see reads which nodes stand on a page and the one after it, and by what the
// last one on the page is ordered.
func (s *Store) see(ctx context.Context, q *listQuery) (page []seen, last sortKey, err error) {
	sql, args := q.page()
	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, last, err
	}
	defer rows.Close()
	page = make([]seen, 0, q.filter.Limit+1)
	var one seen
	var key sortKey
	into := []any{&one.no, (*uint32)(&one.version), key.dest(q.sort.kind)}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, last, err
		}
		if q.sort.table == "h" {
			one.heard = key.at
		}
		if page = append(page, one); len(page) == q.filter.Limit {
			last = key
		}
	}
	return page, last, rows.Err()
}

// listQuery builds the WHERE of a list from placeholders only.
type listQuery struct {
	filter     Filter
	conditions []string
	args       []any
	sort       struct{ table, column, kind string }
	order      string
	after      *cursor
}

// Check tells what of the filter no list can be read by.
func (f Filter) Check() error {
	return new(listQuery).readOrdering(f)
}

func newListQuery(f Filter) (*listQuery, error) {
	q := &listQuery{filter: f, conditions: []string{"n.deleted_at IS NULL"}}
	if err := q.readOrdering(f); err != nil {
		return nil, err
	}
	q.add("n.status = $%d", f.Status, f.Status != "")
	q.add("n.node_type = $%d", f.Type, f.Type != "")
	q.add("n.pool_no = (SELECT pool_no FROM pool WHERE pool_id = $%d)", f.PoolID, f.PoolID != "")
	q.add("n.online = $%d", orZero(f.Online), f.Online != nil)
	q.add("n.labels @> $%d", nonNil(f.Labels), len(f.Labels) > 0)
	q.add("n.node_id = ANY($%d)", f.IDs, len(f.IDs) > 0)
	// LIKE, because the index on trigrams serves it; without that index it is
	// only slower.
	if f.Query != "" {
		q.add("n.search LIKE $%d", "%"+db.Like(strings.ToLower(f.Query))+"%", true)
	}
	return q, nil
}

// readOrdering takes what can be wrong with a filter: sort, order and cursor.
func (q *listQuery) readOrdering(f Filter) error {
	var ok bool
	if q.sort, ok = sortColumns[cmp.Or(f.Sort, "created_at")]; !ok {
		return fault.New(fault.Validation, "unknown sort").WithFields(fault.Field{Name: "sort", Reason: "no such column"})
	}
	q.order = "DESC"
	if f.Order == "asc" {
		q.order = "ASC"
	}
	if f.After == "" {
		return nil
	}
	if q.after, ok = decodeCursor(f.After, q.ordering(), q.sort.kind); !ok {
		return fault.New(fault.Validation, "unreadable cursor").
			WithFields(fault.Field{Name: "cursor", Reason: "is not one that a page before gave, in the same sort and order"})
	}
	return nil
}

func (q *listQuery) add(condition string, arg any, wanted bool) {
	if wanted {
		q.args = append(q.args, arg)
		q.conditions = append(q.conditions, fmt.Sprintf(condition, len(q.args)))
	}
}

// ordering is what the list's cursors are of.
func (q *listQuery) ordering() string { return q.sort.column + " " + q.order }

func (q *listQuery) where() string {
	return " WHERE " + strings.Join(q.conditions, " AND ")
}

// page asks for one row more than the limit, which tells whether a next page
// exists.
func (q *listQuery) page() (string, []any) {
	key, no := q.sort.table+"."+q.sort.column, q.sort.table+".node_no"
	conditions, args, offset := q.conditions, q.args, q.filter.Offset
	if q.after != nil {
		comparison := map[string]string{"ASC": ">", "DESC": "<"}[q.order]
		args = append(args[:len(args):len(args)], q.after.key, q.after.nodeNo)
		conditions = append(conditions[:len(conditions):len(conditions)], fmt.Sprintf("(%s, %s) %s ($%d::text::%s, $%d)",
			key, no, comparison, len(args)-1, q.sort.kind, len(args)))
		offset = 0
	}
	order := fmt.Sprintf("ORDER BY %s %s, %s %s LIMIT %d OFFSET %d", key, q.order, no, q.order, q.filter.Limit+1, offset)
	if q.sort.table == "h" {
		return q.pageByHeartbeat(conditions, order), args
	}
	return fmt.Sprintf("SELECT n.node_no, n.xmin, %s FROM node n WHERE %s %s", key, strings.Join(conditions, " AND "), order), args
}

// pageByHeartbeat goes along the heartbeats, which only nodes have that exist.
func (q *listQuery) pageByHeartbeat(conditions []string, order string) string {
	from := "node_heartbeat h JOIN node n USING (node_no)"
	if len(q.conditions) == 1 { // no filter
		from, conditions = "node_heartbeat h", append([]string{"true"}, conditions[1:]...)
	}
	return fmt.Sprintf(`SELECT h.node_no, n.xmin, h.at FROM (SELECT h.node_no, h.at FROM %s WHERE %s %s) h
		JOIN node n USING (node_no) ORDER BY h.at %s, h.node_no %s`, from, strings.Join(conditions, " AND "), order, q.order, q.order)
}
