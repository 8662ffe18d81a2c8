package coordinator

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/authority"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/rail"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/shared/proof"
)

// Foundation is what every command that works on the database stands on: the
// connection pool, the keys and the stores that hand out access.
type Foundation struct {
	Config Config
	Log    *slog.Logger

	DB        *db.Pool
	reserved  []*db.Pool // further ones, each for one purpose
	Authority *authority.Authority
	Access    *access.Store
	Nodes     *node.Store
	Pools     *pool.Store
	Audit     *audit.Log
	Fraud     *fraud.Store

	NewMasterKey string // the file of the master key, where this start made it

	payouts      *payout.Store
	forecast     *rail.Forecast // nil while another rail than TRON is chosen
	scores       *score.Store
	secrets      *seal.Store
	ring         *seal.Ring
	box          *seal.Box // the ring's
	puzzleKey    proof.Key
	enrolmentKey ed25519.PrivateKey
	now          func() time.Time
}

// OpenMigrated is OpenFoundation for who serves or migrates: it brings the schema
// up to date first, and takes a newer one as it is.
func OpenMigrated(ctx context.Context, config Config, log *slog.Logger) (*Foundation, error) {
	if config.Database.ConnString() == "" {
		return nil, errNoDatabase
	}
	if err := migrate(ctx, config.Database, log); err != nil {
		return nil, err
	}
	return openFoundation(ctx, config, log, db.CheckSchema)
}

// OpenFoundation connects and loads the keys, which are made at the first start.
// A database whose schema is not this program's is refused, and nothing written.
// Close it in the end.
func OpenFoundation(ctx context.Context, config Config, log *slog.Logger) (*Foundation, error) {
	return openFoundation(ctx, config, log, db.MatchSchema)
}

var errNoDatabase = errors.New("no database: set LUCID_DATABASE_URL or --database-url (dev starts a private one by itself)")

func openFoundation(ctx context.Context, config Config, log *slog.Logger, checkSchema func(context.Context, *db.Pool) error) (_ *Foundation, err error) {
	f := &Foundation{Config: config, Log: log, now: time.Now}
	url := config.Database.ConnString()
	if url == "" {
		return nil, errNoDatabase
	}
	if f.DB, err = db.Open(ctx, url); err != nil {
		return nil, err
	}
	if err = checkSchema(ctx, f.DB); err == nil {
		err = f.open(ctx)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// open gives what stands on the connections: the keys, then the stores that use
// them.
func (f *Foundation) open(ctx context.Context) error {
	if err := errors.Join(f.checkRole(ctx), f.loadKeys(ctx)); err != nil {
		return err
	}
	if err := f.openAccess(ctx); err != nil {
		return err
	}
	return f.openStores()
}

// migrate brings the schema up to date as the tables' owner, where that is
// another role than ours.
func migrate(ctx context.Context, c DatabaseConfig, log *slog.Logger) error {
	if c.OwnerURL == "" {
		return db.Migrate(ctx, c.ConnString(), log)
	}
	if err := db.Migrate(ctx, string(c.OwnerURL), log); err != nil {
		return err
	}
	return db.Grant(ctx, string(c.OwnerURL), c.ConnString())
}

// checkRole refuses a role that owns tables where another is said to: it could
// write past the ledger's rules, and whoever set that up believes it cannot.
func (f *Foundation) checkRole(ctx context.Context) error {
	if f.Config.Database.OwnerURL == "" {
		return nil
	}
	owned, err := db.Owned(ctx, f.DB)
	if err == nil && len(owned) > 0 {
		err = fmt.Errorf("the role of database.url owns %d tables (%s, ...): give them to the role of database.owner_url, "+
			"with REASSIGN OWNED BY, as docs/ledger.md says", len(owned), owned[0])
	}
	return err
}

// reserve gives connections of their own to whoever must not queue for those of
// all. Close ends them.
func (f *Foundation) reserve(standing, most int32) (*db.Pool, error) {
	pool, err := db.Reserve(context.Background(), f.DB, standing, most)
	if err == nil {
		f.reserved = append(f.reserved, pool)
	}
	return pool, err
}

// closeTime is how long connections may take to close: one that a statement
// waits on does so for as long as the server hangs.
const closeTime = time.Second

// Close ends the connections.
func (f *Foundation) Close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		f.closeRing()
		for _, pool := range f.reserved {
			pool.Close()
		}
		f.DB.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
		f.Log.Warn("the database holds up the end of its connections; not waiting for it")
	}
}

// loadKeys opens the ring of master keys and what is sealed under them: the CA
// and the enrolment key.
func (f *Foundation) loadKeys(ctx context.Context) error {
	err := f.openRing(ctx)
	if err != nil {
		return err
	}
	if f.Authority, err = authority.Load(ctx, f.secrets.Secret, authority.Plans(f.DB), f.now); err != nil {
		return err
	}
	f.enrolmentKey, err = access.SealedKey(ctx, f.secrets.Secret, "enrolment_key")
	return err
}

func (f *Foundation) openStores() (err error) {
	f.Audit = audit.NewLog(f.DB)
	vetting := score.Vetting{Verdicts: int64(f.Config.Vetting.Challenges), Age: time.Duration(f.Config.Vetting.Days) * 24 * time.Hour}
	if f.scores, err = score.NewStore(score.Config{Pool: f.DB, SetNodeScore: node.SetScore, Vetting: vetting, Now: f.now}); err != nil {
		return err
	}
	highest := func(model string) int {
		return challenge.HighestDifficulty(model, f.Config.Poot.Puzzles, f.Config.Poot.Deadline)
	}
	f.Pools = pool.NewStore(f.DB, f.now).WithLimits(pool.Limits{
		MaxNodes: f.Config.Pool.MaxNodes, MinNodes: f.Config.Pool.MinNodes, Difficulty: highest(""),
	})
	nodes := node.Config{
		Pool: f.DB, Box: f.box, EnrolmentKey: f.enrolmentKey, MQTT: f.brokerAddresses(), CAPEM: f.Authority.CAPEM,
		Join: pool.Join, Leave: pool.Leave, Now: f.now, CommandTimeout: f.Config.Node.CommandTimeout,
		KeyAge: f.keyAge(), KeyOverlap: f.Config.Node.KeyOverlap, HighestDifficulty: highest,
	}
	if f.Config.Pool.AutoAssign {
		nodes.Assign = pool.Assign
	}
	f.Nodes = node.NewStore(nodes)
	if err := f.openPayouts(); err != nil {
		return err
	}
	return f.openFraud()
}

func (f *Foundation) openPayouts() (err error) {
	var cost func(net, fee ledger.Amount) (ledger.Amount, string)
	if f.Config.Payout.Rail == RailTRON {
		f.forecast = rail.NewForecast(f.Config.Tron.costRule(), f.now)
		cost = f.forecast.Of
	}
	f.payouts, err = payout.NewStore(payout.Config{
		Pool: f.DB, Cost: cost, Held: fraud.Held, TakeBack: fraud.TakeBack, KnownHead: filepath.Join(f.Config.DataDir, "known-head.json"), Now: f.now, Logger: f.Log,
		Terms: f.Config.payoutTerms(),
	})
	return err
}

func (c Config) payoutTerms() payout.Terms {
	p := c.Payout
	return payout.Terms{
		Threshold: p.Threshold, Min: p.Min, Max: p.Max,
		FeeBasisPoints: cmp.Or(int(p.FeePercent), payout.NoFee), FeeMin: p.FeeMin, FeeMax: p.FeeMax,
		ApprovalFrom: cmp.Or(p.Approval, payout.NoApproval), Own: c.unpaid(),
	}
}

func (f *Foundation) openFraud() (err error) {
	f.Fraud, err = fraud.NewStore(fraud.Config{
		Pool: f.DB, Fastest: challenge.FastestOf, CohortTime: challenge.CohortTime, CancelPayouts: f.payouts.CancelPending,
		Vetted: func(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) (bool, error) {
			s, err := f.scores.AsOf(ctx, tx, []int32{nodeNo}, at)
			return s[nodeNo].Vetted, err
		},
		Now: f.now, Logger: f.Log,
	})
	return err
}

// EnrolmentKey is the public key that devices know the coordinator by, as it
// stands in enroll.toml.
func (f *Foundation) EnrolmentKey() string {
	return base64.StdEncoding.EncodeToString(f.enrolmentKey.Public().(ed25519.PublicKey))
}
