// Package pool owns the pools and who is in them, when.
//
// It must never let a pool hold more than its places: the database refuses it,
// also under concurrent joins.
package pool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// MaxNodes is the most that any pool may hold.
const MaxNodes = 100

// Pool is a pool as the API shows it.
type Pool struct {
	No             int32
	ID             string
	Name           string
	Description    string
	MaxNodes       int
	NodeCount      int
	OnlineCount    int
	ScoreNano      int64         // mean of its nodes, 1e9 = 100 points
	RewardPerEpoch ledger.Amount // shared by its nodes each epoch
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Store keeps the pools in Postgres.
type Store struct {
	pool *db.Pool
	now  func() time.Time
}

// NewStore makes a Store; now defaults to time.Now.
func NewStore(pool *db.Pool, now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{pool: pool, now: now}
}

// New describes a pool to be created. MaxNodes 0 means 100; ID "" draws one.
type New struct {
	ID             string
	Name           string
	Description    string
	MaxNodes       int
	RewardPerEpoch ledger.Amount
}

// check tells every bad field at once.
func (n New) check() error {
	var bad []fault.Field
	if !names.MatchString(n.Name) {
		bad = append(bad, fault.Field{Name: "name", Reason: "must be 3 to 100 letters, digits, _ or -"})
	}
	if n.MaxNodes < 1 || n.MaxNodes > MaxNodes {
		bad = append(bad, fault.Field{Name: "max_nodes", Reason: fmt.Sprintf("must be from 1 to %d", MaxNodes)})
	}
	if n.RewardPerEpoch < 0 {
		bad = append(bad, fault.Field{Name: "reward_per_epoch", Reason: "must not be below zero"})
	}
	if bad != nil {
		return fault.New(fault.Validation, "the pool cannot be made").WithFields(bad...)
	}
	return nil
}

var names = regexp.MustCompile(`^[a-zA-Z0-9_-]{3,100}$`)

// Create makes a pool.
func (s *Store) Create(ctx context.Context, n New) (Pool, error) {
	if n.MaxNodes == 0 {
		n.MaxNodes = MaxNodes
	}
	if err := n.check(); err != nil {
		return Pool{}, err
	}
	if n.ID == "" {
		n.ID = "pool_" + strings.ToLower(rand.Text())[:20]
	}
	_, err := sqlgen.New(s.pool).InsertPool(ctx, sqlgen.InsertPoolParams{
		PoolID: n.ID, Name: n.Name, Description: n.Description, MaxNodes: int32(n.MaxNodes),
		RewardPerEpoch: int64(n.RewardPerEpoch), At: s.now(),
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "23505" {
		return Pool{}, fault.New(fault.NameTaken, "a pool with id %q or name %q exists already", n.ID, n.Name)
	} else if err != nil {
		return Pool{}, fmt.Errorf("create pool %s: %w", n.Name, err)
	}
	return s.Get(ctx, n.ID)
}

// SetReward changes what a pool shares out each epoch, from the next closing on.
func (s *Store) SetReward(ctx context.Context, poolID string, reward ledger.Amount) error {
	if reward < 0 {
		return fault.New(fault.Validation, "a reward is not below zero").WithFields(fault.Field{Name: "reward_per_epoch", Reason: "must not be below zero"})
	}
	n, err := sqlgen.New(s.pool).SetReward(ctx, sqlgen.SetRewardParams{PoolID: poolID, RewardPerEpoch: int64(reward), UpdatedAt: s.now()})
	if err == nil && n == 0 {
		err = fault.New(fault.PoolNotFound, "no pool %s", poolID)
	}
	return err
}

// Join puts a node into a pool within the caller's transaction. A full pool is
// fault.PoolFull, a node that is in a pool already fault.NodeInPool.
func Join(ctx context.Context, tx db.Tx, poolNo, nodeNo int32, at time.Time) error {
	q := sqlgen.New(tx)
	id, err := q.TakePlace(ctx, sqlgen.TakePlaceParams{PoolNo: poolNo, UpdatedAt: at})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.New(fault.PoolNotFound, "the pool does not exist any more")
	case isCode(err, "23514"):
		return fault.New(fault.PoolFull, "the pool is full")
	case err != nil:
		return err
	}
	err = q.InsertMembership(ctx, sqlgen.InsertMembershipParams{NodeNo: nodeNo, PoolNo: poolNo, FromAt: at})
	if isCode(err, "23505") {
		return fault.New(fault.NodeInPool, "the node is in a pool already, so it cannot join %s", id)
	} else if err != nil {
		return err
	}
	return node.SetPool(ctx, tx, nodeNo, &poolNo, at)
}

// Leave takes a node out of its pool within the caller's transaction.
func Leave(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) error {
	q := sqlgen.New(tx)
	poolNo, err := q.CloseMembership(ctx, sqlgen.CloseMembershipParams{NodeNo: nodeNo, At: at})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	if err := q.FreePlace(ctx, sqlgen.FreePlaceParams{PoolNo: poolNo, UpdatedAt: at}); err != nil {
		return err
	}
	return node.SetPool(ctx, tx, nodeNo, nil, at)
}

// Get reads one pool.
func (s *Store) Get(ctx context.Context, poolID string) (Pool, error) {
	pools, _, err := s.List(ctx, Filter{id: poolID, Limit: 1})
	if err == nil && len(pools) == 0 {
		err = fault.New(fault.PoolNotFound, "no pool %s", poolID)
	}
	if err != nil {
		return Pool{}, err
	}
	return pools[0], nil
}

// Filter selects pools; zero values select all.
type Filter struct {
	id     string
	Query  string // part of name or id, in any case
	Limit  int
	Offset int
}

// List reads one page of pools by name, and how many there are in all.
func (s *Store) List(ctx context.Context, f Filter) ([]Pool, int, error) {
	q := sqlgen.New(s.pool)
	total, err := q.CountPools(ctx, sqlgen.CountPoolsParams{ID: f.id, Query: strings.ToLower(f.Query)})
	if err != nil {
		return nil, 0, fmt.Errorf("count pools: %w", err)
	}
	rows, err := q.ListPools(ctx, sqlgen.ListPoolsParams{ID: f.id, Query: strings.ToLower(f.Query), Most: int32(f.Limit), Skip: int32(f.Offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("list pools: %w", err)
	}
	pools := make([]Pool, len(rows))
	for i, r := range rows {
		pools[i] = Pool{
			No: r.PoolNo, ID: r.PoolID, Name: r.Name, Description: r.Description, MaxNodes: int(r.MaxNodes), NodeCount: int(r.NodeCount),
			OnlineCount: int(r.Online), ScoreNano: r.Score, RewardPerEpoch: ledger.Amount(r.RewardPerEpoch),
			CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		}
	}
	return pools, int(total), nil
}

func isCode(err error, code string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == code
}
