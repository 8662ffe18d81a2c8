// Package node owns the nodes: their enrolment and keys, status, presence and
// the columns that other rooms set on them.
//
// It must never decide a score, a verdict or a payment; it is told their
// results. It knows nothing of MQTT or HTTP.
package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/limit"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Status of a node. Only an active node earns.
type Status string

// The states of a node's life.
const (
	Pending     Status = "pending"     // waits for its enrolment
	Starting    Status = "starting"    // enrolled or started, not yet proven
	Active      Status = "active"      // proven
	Stopping    Status = "stopping"    // told to stop
	Inactive    Status = "inactive"    // stopped
	Maintenance Status = "maintenance" // set aside by the operator
	Suspended   Status = "suspended"   // by the operator, its score, or disqualified
	Error       Status = "error"       // did not confirm a command
)

// Node is a node as the API shows it. Scores are at 1e-9 (1e9 = 100 points).
type Node struct {
	No            int32
	ID            string
	Name          string
	Type          string
	Status        Status
	StatusReason  string
	PoolID        string // "" outside a pool
	Inventory     wire.Inventory
	PayoutAddress string
	AddressDue    *time.Time // from when PayoutAddress is paid to; until then the one before it is. Nil: from its beginning
	Location      Location
	Configuration Configuration
	Labels        map[string]string
	StatusUntil   *time.Time // when a maintenance or suspension lifts itself; nil: never
	Version       int64      // the ETag: rises with every change that an operator may make
	ScoreNano     int64
	Online        bool
	AgentVersion  string
	LastHeartbeat *time.Time // nil before the first connection
	OnlineSince   *time.Time // nil while offline
	CreatedAt     time.Time
	UpdatedAt     time.Time

	// Alerted says whether it has alerts that are not resolved; a list leaves it out.
	Alerted bool

	AgentConfig AgentConfig // what its agent is told to keep to

	Memo *Memo // of its row
}

// JoinPool puts a node into a pool within the caller's transaction. Package
// pool provides it.
type JoinPool func(ctx context.Context, tx db.Tx, poolNo, nodeNo int32, at time.Time) error

// LeavePool takes a node out of its pool within the caller's transaction.
// Package pool provides it.
type LeavePool func(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) error

// Config of a Store. Pool, Box, EnrolmentKey, Join and Leave are required.
type Config struct {
	Pool         *db.Pool
	Box          *seal.Box          // seals root secrets
	EnrolmentKey ed25519.PrivateKey // signs enrolments; its public half is in every enroll.toml
	MQTT         []string           // broker addresses (host:port) told to new nodes
	CAPEM        func() string      // CAs of API and broker to be trusted now, told to nodes
	Join         JoinPool
	Leave        LeavePool
	Now          func() time.Time

	// Assign finds a pool for a node that enrols for the first time and that
	// neither token nor operator has put into one. Package pool provides it;
	// nil: such nodes stay outside.
	Assign func(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) error

	// CommandTimeout is how long a node has to confirm a command; default 60 s.
	CommandTimeout time.Duration
	// KeyAge is how old a node's key gets before it is rotated; 0: as old as it
	// likes. KeyOverlap is how long the one before stays good; default a day.
	KeyAge, KeyOverlap time.Duration
	// HighestDifficulty is the most that challenges of a model may be set to; ""
	// is of all models. Package challenge provides it; nil: as much as there is.
	HighestDifficulty func(model string) int
	// Send publishes a command to a connected node, Disconnect closes its
	// connection. They reach only nodes of this coordinator's broker; what they
	// miss is made up for by RunOnce where the broker is.
	Send       func(nodeID string, c *wire.Command) error
	SendConfig func(nodeID string, c *wire.Config) error // retained
	Disconnect func(nodeID, reason string)
}

// Store keeps the nodes in Postgres.
type Store struct {
	Config
	memory     *memory
	totals     *db.Totals
	intrusions *limit.Limiter[string] // that were told, by token
}

// NewStore makes a Store.
func NewStore(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Assign == nil {
		c.Assign = func(context.Context, db.Tx, int32, time.Time) error { return nil }
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = 60 * time.Second
	}
	if c.KeyOverlap == 0 {
		c.KeyOverlap = 24 * time.Hour
	}
	if c.HighestDifficulty == nil {
		c.HighestDifficulty = func(string) int { return proof.MaxDifficulty }
	}
	if c.Send == nil {
		c.Send = func(string, *wire.Command) error { return errors.New("this coordinator has no broker") }
	}
	if c.SendConfig == nil {
		c.SendConfig = func(string, *wire.Config) error { return errors.New("this coordinator has no broker") }
	}
	if c.Disconnect == nil {
		c.Disconnect = func(string, string) {}
	}
	return &Store{Config: c, memory: newMemory(), totals: db.NewTotals(c.Pool, c.Now), intrusions: limit.New[string](1000)}
}
