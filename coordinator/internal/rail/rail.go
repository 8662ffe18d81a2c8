// Package rail owns paying over TRON: the transactions that are signed for
// payouts, what becomes of them, and whether wallet and ledger agree.
//
// It must never send bytes that are not committed, make a second transaction
// of a payout before the first is proven dead, or give money back on a guess.
package rail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

// Signer holds the key that pays.
type Signer interface {
	Address() tron.Address
	Sign(ctx context.Context, raw []byte) (tron.Signature, error)
}

// Config of a Runner. Pool, Payouts, Signer, Full, Solid, Network and Contract
// are required; a zero value elsewhere is the default that stands beside it.
type Config struct {
	Pool    *db.Pool
	Payouts *payout.Store
	Signer  Signer

	Network  string         // mainnet, nile, shasta or private
	Contract tron.Address   // of the token
	Full     []*chain.Node  // the first is asked; transactions go to all
	Solid    [2]*chain.Node // of two operators; nothing is believed that only one says

	Cost     CostRule
	Forecast *Forecast // is told the prices; nil: nobody is
	MaxLive  int       // 25: transactions under way at once

	Now    func() time.Time
	Logger *slog.Logger
}

// By is who the rail is in the audit log.
func By() audit.By { return audit.By{Actor: "tron rail"} }

// Runner pays. Only one may run at a time, under a lease; were there two for a
// moment, the database would still let one transaction a payout through.
type Runner struct {
	cfg    Config
	wallet tron.Address
	proofs [2]*walk            // final blocks that were read, by node
	sent   map[int64]time.Time // by attempt, when a node took it last

	last      difference
	disagreed int // runs in which the nodes told different balances

	networkKnown bool // the nodes were found to be of the configured network
}

// New makes a Runner; it lists every fault of cfg.
func New(cfg Config) (*Runner, error) {
	cfg.MaxLive = cmp.Or(cfg.MaxLive, 25)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Forecast == nil {
		cfg.Forecast = NewForecast(cfg.Cost, cfg.Now)
	}
	var errs []error
	refuse := func(when bool, text string) {
		if when {
			errs = append(errs, errors.New("rail: "+text))
		}
	}
	refuse(cfg.Pool == nil || cfg.Payouts == nil || cfg.Signer == nil, "Pool, Payouts and Signer are required")
	refuse(len(cfg.Full) == 0 || cfg.Solid[0] == nil || cfg.Solid[1] == nil, "a full node and two solidity nodes are required")
	refuse(cfg.Contract == tron.Address{}, "the token's contract is required")
	refuse(!KnownNetwork(cfg.Network), fmt.Sprintf("the network %q is not known", cfg.Network))
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Runner{
		cfg: cfg, wallet: cfg.Signer.Address(), sent: make(map[int64]time.Time),
		proofs: [2]*walk{newWalk(cfg.Solid[0]), newWalk(cfg.Solid[1])},
	}, nil
}

// RunOnce takes every payment one step further: what is under way is followed,
// the wallet is compared with the ledger, and new payouts begin. Whatever ends
// it in between, the next run goes on from the tables.
func (r *Runner) RunOnce(ctx context.Context) error {
	heads, err := r.heads(ctx)
	if err != nil {
		return err
	}
	sound, err := r.sameDatabase(ctx, heads)
	if err != nil {
		return err
	}
	forgot, err := r.forgot(ctx)
	followed := errors.Join(err, r.followAll(ctx, heads, sound && !forgot), r.cfg.Forecast.refresh(ctx, r.cfg.Full[0]))
	if !sound {
		return errors.Join(followed, r.search(ctx, heads))
	}
	if err != nil {
		return followed
	}
	free, agree, err := r.reconcile(ctx, heads)
	if err != nil || !agree {
		return errors.Join(followed, err)
	}
	return errors.Join(followed, r.begin(ctx, heads, free))
}

// forgot reports whether the database may have forgotten what was paid, or that
// cannot be told; what it holds now is remembered before.
func (r *Runner) forgot(ctx context.Context) (bool, error) {
	if err := r.cfg.Payouts.Remember(ctx); err != nil {
		return true, err
	}
	return r.cfg.Payouts.Forgot(ctx)
}

// heads are the newest final blocks of the two nodes.
type heads [2]chain.Block

// lower is the one that both nodes have.
func (h heads) lower() chain.Block {
	if h[0].ID.Number() < h[1].ID.Number() {
		return h[0]
	}
	return h[1]
}

func (r *Runner) heads(ctx context.Context) (h heads, err error) {
	if err := r.checkNetwork(ctx); err != nil {
		return h, err
	}
	for i, node := range r.cfg.Solid {
		if h[i], err = node.SolidNow(ctx); err != nil {
			return h, err
		}
	}
	return h, r.oneChain(ctx, h)
}

// oneChain refuses heads that are not of one chain: a transaction that refers to
// a block of another could never be included, nor proven dead.
func (r *Runner) oneChain(ctx context.Context, h heads) error {
	lower, other := h.lower(), 0
	if h[0].ID == lower.ID {
		other = 1
	}
	same := h[other]
	if same.ID.Number() > lower.ID.Number() {
		var err error
		if same, err = r.cfg.Solid[other].SolidBlock(ctx, lower.ID.Number()); err != nil {
			return err
		}
	}
	if same.ID != lower.ID {
		return fmt.Errorf("%s and %s tell different final blocks %d: %s and %s",
			r.cfg.Solid[other].Host(), r.cfg.Solid[1-other].Host(), lower.ID.Number(), same.ID, lower.ID)
	}
	return nil
}

// chainIDs are the last four bytes of each network's first block, by which the
// networks tell themselves apart. A private network has its own.
var chainIDs = map[string][4]byte{
	"mainnet": {0x2b, 0x66, 0x53, 0xdc},
	"nile":    {0xcd, 0x86, 0x90, 0xdc},
	"shasta":  {0x94, 0xa9, 0x05, 0x9e},
	"private": {},
}

// KnownNetwork reports whether there is a network of that name.
func KnownNetwork(name string) bool {
	_, known := chainIDs[name]
	return known
}

// checkNetwork asks the nodes once for the first block of their chain.
func (r *Runner) checkNetwork(ctx context.Context) error {
	if want := chainIDs[r.cfg.Network]; !r.networkKnown && r.cfg.Network != "private" {
		for _, node := range r.cfg.Solid {
			first, err := node.SolidBlock(ctx, 0)
			if err != nil {
				return fmt.Errorf("which network %s belongs to: %w", node.Host(), err)
			}
			if [4]byte(first.ID[28:]) != want {
				return fmt.Errorf("%s belongs to another network than %s: its chain begins with %s", node.Host(), r.cfg.Network, first.ID)
			}
		}
	}
	r.networkKnown = true
	return nil
}
