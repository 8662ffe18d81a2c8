package rail

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
)

// Status is what the tables say of the rail. It holds no key.
type Status struct {
	Wallet   string
	USDT     ledger.Amount // that the ledger says the wallet holds
	TRX      ledger.Amount // in sun
	Halts    []payout.Stoppage
	Live     []Live
	Deferred []Deferred
	Outflows []Outflow
	// SearchedUntil is up to when outflows are looked for after a restore; zero
	// while none are.
	SearchedUntil time.Time
}

// Live is a transaction under way.
type Live struct {
	PayoutID, Transaction, Payee string
	Amount                       ledger.Amount
	ExpiresAt                    time.Time
}

// Deferred is a payout that waits for its cost.
type Deferred struct {
	PayoutID, Reason string
	Until            time.Time
}

// Outflow is a transaction of the wallet that nothing explains yet.
type Outflow struct {
	Transaction string
	Block       int64
}

// maxListed bounds each list of a Status.
const maxListed = 200

// ReadStatus reads the tables for a wallet.
func ReadStatus(ctx context.Context, pool *db.Pool, payouts *payout.Store, wallet string) (s Status, err error) {
	q := sqlgen.New(pool)
	held, err := ledger.Balances(ctx, pool, wallet)
	if err != nil {
		return s, err
	}
	s.Wallet, s.USDT, s.TRX = wallet, held[ledger.KindWallet], held[ledger.KindTRXWallet]
	if s.Halts, err = payouts.Stoppages(ctx); err != nil {
		return s, err
	}
	live, err := q.LiveAttempts(ctx)
	if err != nil {
		return s, fmt.Errorf("list transactions under way: %w", err)
	}
	for _, l := range live[:min(len(live), maxListed)] {
		a := l.RailAttempt
		s.Live = append(s.Live, Live{l.PayoutID, hex.EncodeToString(a.TxID), a.Payee, ledger.Amount(a.Amount), a.ExpiresAt})
	}
	deferred, err := q.Deferrals(ctx, maxListed)
	if err != nil {
		return s, fmt.Errorf("list what was put off: %w", err)
	}
	for _, d := range deferred {
		s.Deferred = append(s.Deferred, Deferred(d))
	}
	outflows, err := q.OpenOutflows(ctx)
	if err != nil {
		return s, fmt.Errorf("list outflows: %w", err)
	}
	for _, o := range outflows[:min(len(outflows), maxListed)] {
		s.Outflows = append(s.Outflows, Outflow{hex.EncodeToString(o.TxID), o.BlockNo})
	}
	state, err := q.State(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s, fmt.Errorf("read what the rail knew: %w", err)
	}
	if state.ScanUntil != nil {
		s.SearchedUntil = *state.ScanUntil
	}
	return s, nil
}
