package coordinator

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/shared/wire"
)

// ByCLI stands in the audit log for whoever has a shell beside the database, by
// the name that the machine knows: cli:ada. Where the user has none, its number.
func ByCLI() audit.By {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return audit.By{Actor: audit.CLI + ":" + name}
}

// CreatePool makes a pool.
func (f *Foundation) CreatePool(ctx context.Context, n NewPool) (pool.Pool, error) {
	return f.Pools.Create(ctx, ByCLI(), n)
}

// AuditFilter selects entries of the audit log.
type AuditFilter = audit.Filter

// Update is a version of the agent that is announced to a ring.
type Update = wire.Update

// NewPool describes a pool to be made.
type NewPool = pool.New

// PayoutStatus is where a payout is in its life.
type PayoutStatus = payout.Status

// PayoutFilter selects payouts.
type PayoutFilter = payout.Filter

// Replayed is what a rule about fraud would have flagged.
type Replayed = fraud.Replayed

// AtShell is that somebody as one who decides about money: no program has a
// shell beside the database.
func AtShell() payout.Person { return payout.Person{By: ByCLI(), Human: true} }

// Payouts are the payouts of all nodes.
func (f *Foundation) Payouts() *payout.Store { return f.payouts }

// EnrolRequest says for what a token is made. Empty strings set no bound.
type EnrolRequest struct {
	PoolID        string
	NodeName      string
	NodeID        string // the node that is enrolled again
	PayoutAddress string
	Serials       []string      // of the boards that it brings in, each once; none accepts any one board
	Life          time.Duration // default 24 h
}

// EnrolFile makes a one-time token and gives the text of the enroll.toml with
// which a device enrols.
func (f *Foundation) EnrolFile(ctx context.Context, r EnrolRequest) (string, error) {
	if r.Life == 0 {
		r.Life = node.DefaultTokenLife
	}
	token := node.Token{NodeName: r.NodeName, Serials: r.Serials, Life: r.Life}
	if r.PayoutAddress != "" {
		if err := tron.CheckAddress(r.PayoutAddress); err != nil {
			return "", fmt.Errorf("payout address: %w", err)
		}
	}
	if r.PoolID != "" {
		p, err := f.Pools.Get(ctx, r.PoolID)
		if err != nil {
			return "", err
		}
		token.PoolNo = &p.No
	}
	if r.NodeID != "" {
		n, err := f.Nodes.Get(ctx, r.NodeID)
		if err != nil {
			return "", err
		}
		token.NodeNo = &n.No
	}
	text, err := f.Nodes.CreateToken(ctx, ByCLI(), token)
	if err != nil {
		return "", err
	}
	return withPayee(f.enrolFile(text, f.now().Add(r.Life)), r.PayoutAddress), nil
}

// enrolFile is the text of the enroll.toml for a token.
func (f *Foundation) enrolFile(token string, expires time.Time) string {
	return fmt.Sprintf("# Enrols a device until %s. Keep it secret until then.\ncoordinator = %q\nca_sha256 = %q\nenrolment_key = %q\ntoken = %q\n",
		expires.UTC().Format(time.RFC3339), f.URL(), f.Authority.Pin(), f.EnrolmentKey(), token)
}
