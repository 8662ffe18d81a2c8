// Package pool owns the pools: their settings, who is in them and when, how
// they are, and which nodes should move.
//
// It must never let a pool hold more than its places: the database refuses it,
// also under concurrent joins. It sets nothing on a node but by node's own
// functions.
package pool

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool/sqlgen"
	"lucid.internal/coordinator/internal/publicid"
	"lucid.internal/shared/proof"
)

// Pool is a pool as the API shows it.
type Pool struct {
	No      int32
	ID      string
	Version int64  // of the settings
	written uint32 // the transaction that wrote the row
	Settings
	NodeCount    int
	OnlineCount  int
	WorkingCount int     // starting or active
	StandbyCount int     // parked by scaling
	ScoreNano    int64   // mean of its nodes, 1e9 = 100 points
	Health       *Health // nil before the first check
	Usage        *Usage  // of the nodes at work; nil before the first check
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Health is how a pool is, by the newest check.
type Health struct {
	State     State
	Reasons   []Reason
	Since     time.Time
	CheckedAt time.Time
	Online    int    // nodes that are expected to be online and are
	Expected  int    // nodes that are expected to be
	ScoreNano *int64 // mean of the nodes that have proven themselves; nil without any
}

// Limits hold for all pools of a coordinator; zero values take the default.
type Limits struct {
	MaxNodes int // places that a pool may have, at most; 100
	MinNodes int // online nodes that make a healthy pool; DefaultMinNodes

	Difficulty int // the most that challenges may be set to; proof.MaxDifficulty
}

// Store keeps the pools in Postgres.
type Store struct {
	pool   *db.Pool
	now    func() time.Time
	limits Limits
	totals *db.Totals
	memory *memory
}

// NewStore makes a Store; now defaults to time.Now.
func NewStore(pool *db.Pool, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return (&Store{pool: pool, now: now, totals: db.NewTotals(pool, now), memory: &memory{pools: map[int32]remembered{}}}).WithLimits(Limits{})
}

// WithLimits gives the same store with other limits.
func (s *Store) WithLimits(l Limits) *Store {
	l.MaxNodes = min(cmp.Or(l.MaxNodes, MaxNodes), MaxNodes)
	l.MinNodes = cmp.Or(l.MinNodes, DefaultMinNodes)
	l.Difficulty = cmp.Or(l.Difficulty, proof.MaxDifficulty)
	return &Store{pool: s.pool, now: s.now, limits: l, totals: s.totals, memory: s.memory}
}

// New describes a pool to be created. ID "" draws one; MaxNodes 0 means as many
// places as a pool may have.
type New struct {
	ID             string
	Name           string
	Description    string
	MaxNodes       int
	RewardPerEpoch ledger.Amount
	Limits         ResourceLimits
	AutoScaling    AutoScaling
	Wanted         Wanted
	Challenge      node.Challenge
}

func (n New) settings() Settings {
	return Settings{
		Name: n.Name, Description: n.Description, MaxNodes: n.MaxNodes, RewardPerEpoch: n.RewardPerEpoch,
		Limits: n.Limits, AutoScaling: n.AutoScaling, Wanted: n.Wanted, Challenge: n.Challenge,
	}
}

// Check tells every bad field of a pool to be made at once.
func (s *Store) Check(n New) error {
	_, err := n.settings().normal(s.limits)
	return err
}

// Create makes a pool.
func (s *Store) Create(ctx context.Context, by audit.By, n New) (Pool, error) {
	settings, err := n.settings().normal(s.limits)
	if err != nil {
		return Pool{}, err
	}
	id := cmp.Or(n.ID, publicid.New("pool"))
	columns, err := settings.columns()
	if err != nil {
		return Pool{}, err
	}
	err = db.InTx(ctx, s.pool, func(tx db.Tx) error {
		if err := sqlgen.New(tx).InsertPool(ctx, sqlgen.InsertPoolParams{
			PoolID: id, Name: settings.Name, Description: settings.Description, MaxNodes: int32(settings.MaxNodes),
			RewardPerEpoch: int64(settings.RewardPerEpoch), ResourceLimits: columns.limits, AutoScaling: columns.scaling,
			NodeTypes: settings.Wanted.NodeTypes, Regions: settings.Wanted.Regions, ChallengeDifficulty: columns.difficulty, At: s.now(),
		}); err != nil {
			return err
		}
		if err := publish(ctx, tx, id, "", settings.changed(changedCreated, 0), s.now()); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("pool.create", id, nil, settings).AtTime(s.now()))
	})
	switch db.Constraint(err) {
	case uniqueName:
		return Pool{}, nameTaken(settings.Name)
	case "pool_pool_id_key":
		return Pool{}, fault.New(fault.NameTaken, "a pool with id %q exists already", id)
	}
	if err != nil {
		return Pool{}, fmt.Errorf("create pool %s: %w", settings.Name, err)
	}
	return s.Get(ctx, id)
}

// Get reads one pool.
func (s *Store) Get(ctx context.Context, poolID string) (Pool, error) {
	pools, err := s.read(ctx, " AND p.pool_id = $1", poolID)
	if err == nil && len(pools) == 0 {
		err = unknown(poolID)
	}
	if err != nil {
		return Pool{}, err
	}
	return pools[0], nil
}

func unknown(poolID string) error { return fault.New(fault.PoolNotFound, "no pool %s", poolID) }

// uniqueName is the index that gives a name to one living pool only.
const uniqueName = "pool_live_name"

func nameTaken(name string) error {
	return fault.New(fault.NameTaken, "a pool named %q exists already", name)
}
