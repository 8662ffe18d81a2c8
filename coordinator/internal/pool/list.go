package pool

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

// Filter selects pools; zero values select all. They come by name.
type Filter struct {
	Query       string // part of name or id, in any case
	AutoScaling *bool
	Limit       int // 1..100
	Offset      int
	After       string // cursor of the page before; excludes Offset
}

// Check tells what of the filter no list can be read by.
func (f Filter) Check() error {
	if f.After == "" {
		return nil
	}
	_, err := f.after()
	return err
}

// after is the name that the page before ended with.
func (f Filter) after() (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(f.After)
	if err != nil || !node.ValidName(string(name)) {
		return "", fault.New(fault.Validation, "unreadable cursor").
			WithFields(fault.Field{Name: "cursor", Reason: "is not one that a page before gave"})
	}
	return string(name), nil
}

const (
	poolColumns = `p.pool_no, p.row_version, p.pool_id, p.version, p.name, p.description, p.max_nodes, p.reward_per_epoch, p.resource_limits,
		p.auto_scaling, p.challenge_difficulty, p.node_types, p.regions, p.node_count, m.online, m.working, m.standby, m.score, h.state, h.reasons, h.at,
		h.checked_at, h.online, h.nodes, h.score, p.created_at, p.updated_at,
		u.at, COALESCE(u.measured, 0), u.cpu_percent, u.memory_used_bytes, u.memory_total_bytes, u.disk_used_bytes, u.disk_total_bytes`
	// What is counted of the members, and the newest health, is asked for the
	// pools of the page only.
	poolAside = ` CROSS JOIN LATERAL (
			SELECT count(*) FILTER (WHERE n.online)::integer AS online,
				count(*) FILTER (WHERE n.status IN ('starting', 'active'))::integer AS working,
				count(*) FILTER (WHERE n.status = 'inactive' AND n.status_reason = '` + Standby + `')::integer AS standby,
				COALESCE(avg(n.poot_score), 0)::bigint AS score
			FROM node n WHERE n.pool_no = p.pool_no
		) m
		LEFT JOIN LATERAL (
			SELECT * FROM pool_health h WHERE h.pool_no = p.pool_no ORDER BY h.at DESC LIMIT 1
		) h ON true
		LEFT JOIN pool_usage u ON u.pool_no = p.pool_no`
	livePools = " FROM pool p WHERE p.deleted_at IS NULL"
)

// List reads one page of pools by name, how many there are in all, and the
// cursor of the next page ("" at the end). The total, and of each pool what is
// counted of its nodes, its health and its usage, are at most a second old.
func (s *Store) List(ctx context.Context, f Filter) (pools []*Listed, total int, next string, err error) {
	var q db.Where
	if f.Query != "" {
		q.Add("lower(p.name || ' ' || p.pool_id) LIKE $%d", "%"+db.Like(strings.ToLower(f.Query))+"%")
	}
	if f.AutoScaling != nil {
		q.Add("p.scales = $%d", *f.AutoScaling)
	}
	counted, countedArgs := q.Text, q.Args
	if f.After != "" {
		name, err := f.after()
		if err != nil {
			return nil, 0, "", err
		}
		q.Add("p.name > $%d", name)
		f.Offset = 0
	}
	page, err := s.see(ctx, fmt.Sprintf("%s ORDER BY p.name LIMIT %d OFFSET %d", q.Text, f.Limit+1, f.Offset), q.Args...)
	if err != nil {
		return nil, 0, "", err
	}
	page, more := db.Cut(page, f.Limit)
	if more {
		next = base64.RawURLEncoding.EncodeToString([]byte(page[f.Limit-1].name))
	}
	total, err = s.totals.Of(ctx, db.Page{Offset: f.Offset, Items: len(page), More: more, Cursor: f.After != ""},
		"SELECT count(*)"+livePools+counted, countedArgs...)
	if err != nil {
		return nil, 0, "", fmt.Errorf("count pools: %w", err)
	}
	pools, err = s.recall(ctx, page)
	return pools, total, next, err
}

// read gives the live pools that rest (conditions, order, limit) selects.
func (s *Store) read(ctx context.Context, rest string, args ...any) ([]Pool, error) {
	rows, err := s.pool.Query(ctx, poolPage(rest), args...)
	if err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	pools, err := pgx.CollectRows(rows, scanPool)
	if err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	return pools, nil
}

func poolPage(rest string) string {
	return "SELECT " + poolColumns + " FROM (SELECT p.*, p.xmin AS row_version" + livePools + rest + ") p" + poolAside + " ORDER BY p.name"
}

func scanPool(row pgx.CollectableRow) (Pool, error) {
	var p Pool
	var d documents
	var measured *time.Time
	var u Usage
	var health struct {
		state         *State
		reasons       []Reason
		at, checked   *time.Time
		online, nodes *int
		score         *int64
	}
	err := row.Scan(&p.No, &p.written, &p.ID, &p.Version, &p.Name, &p.Description, &p.MaxNodes, &p.RewardPerEpoch, &d.limits,
		&d.scaling, &d.difficulty, &p.Wanted.NodeTypes, &p.Wanted.Regions, &p.NodeCount, &p.OnlineCount, &p.WorkingCount, &p.StandbyCount,
		&p.ScoreNano, &health.state, &health.reasons, &health.at, &health.checked, &health.online, &health.nodes, &health.score,
		&p.CreatedAt, &p.UpdatedAt,
		&measured, &u.Measured, &u.CPUPercent, &u.MemoryUsedBytes, &u.MemoryTotalBytes, &u.DiskUsedBytes, &u.DiskTotalBytes)
	if err != nil {
		return p, err
	}
	if measured != nil {
		u.At = *measured
		p.Usage = &u
	}
	if h := health; h.state != nil {
		p.Health = &Health{
			State: *h.state, Reasons: h.reasons, Since: *h.at, CheckedAt: *h.checked,
			Online: *h.online, Expected: *h.nodes, ScoreNano: h.score,
		}
	}
	return p, p.Settings.read(d)
}

// documents are the settings that are kept otherwise than they are used.
type documents struct {
	limits, scaling []byte // JSON
	difficulty      *int16
}

func (s Settings) columns() (documents, error) {
	limits, err := json.Marshal(s.Limits)
	if err != nil {
		return documents{}, err
	}
	scaling, err := json.Marshal(s.AutoScaling)
	d := documents{limits: limits, scaling: scaling}
	if set := s.Challenge.Difficulty; set != nil {
		d.difficulty = new(int16(*set))
	}
	return d, err
}

func (s *Settings) read(d documents) error {
	if d.difficulty != nil {
		s.Challenge.Difficulty = new(int(*d.difficulty))
	}
	if err := json.Unmarshal(d.limits, &s.Limits); err != nil {
		return fmt.Errorf("resource limits of pool %s: %w", s.Name, err)
	}
	if err := json.Unmarshal(d.scaling, &s.AutoScaling); err != nil {
		return fmt.Errorf("scaling of pool %s: %w", s.Name, err)
	}
	s.AutoScaling = s.AutoScaling.withDefaults()
	return nil
}
