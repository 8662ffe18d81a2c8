package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

const (
	// healthKept is how long changes of health stay on record; the newest of a
	// pool always does.
	healthKept = 90 * 24 * time.Hour
	// movesAtOnce bounds what the policy moves after one check: a fleet shifts
	// slowly, so that each check sees what the moves before it did.
	movesAtOnce = 10
)

// Keeper measures the pools, checks their health and, by policy, scales them and
// moves nodes.
type Keeper struct {
	Store   *Store
	Balance bool // apply move proposals after each check
	Logger  *slog.Logger
}

// RunOnce measures and judges every pool, records what changed, tells of it, and
// applies scaling policies, and move proposals where the policy says so.
func (k *Keeper) RunOnce(ctx context.Context) error {
	err := db.InTx(ctx, k.Store.pool, func(tx db.Tx) error {
		if err := k.Store.measure(ctx, tx); err != nil {
			return err
		}
		return k.Store.check(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("check the health of the pools: %w", err)
	}
	scaled := k.Store.AutoScale(ctx) // moves do not wait for it to succeed
	if !k.Balance {
		return scaled
	}
	return errors.Join(scaled, k.balance(ctx))
}

func (k *Keeper) balance(ctx context.Context) error {
	moves, err := k.Store.Proposals(ctx, movesAtOnce)
	if err != nil {
		return err
	}
	tried, err := k.Store.Apply(ctx, audit.By{Actor: audit.System}, moves)
	for _, m := range tried {
		if m.Err != nil { // somebody changed it meanwhile; the next check sees how it is then
			k.Logger.Debug("node not moved", "node_id", m.NodeID, "from", m.From, "to", m.To, "reason", m.Err)
			continue
		}
		k.Logger.Info("node moved", "node_id", m.NodeID, "from", m.From, "to", m.To, "reason", m.Reason)
	}
	return err
}

func (s *Store) check(ctx context.Context, tx db.Tx) error {
	q := sqlgen.New(tx)
	now := s.now()
	rows, err := q.Vitals(ctx, now)
	if err != nil {
		return err
	}
	var changed []sqlgen.InsertHealthParams
	var same []sqlgen.ConfirmHealthParams
	for _, r := range rows {
		state, reasons := Judge(Vitals{int(r.Expected), int(r.Online), int(r.Scored), r.Score, int(r.Alarmed)}, s.limits.MinNodes)
		var score *int64
		if r.Scored > 0 {
			score = &r.Score
		}
		if r.State == string(state) && slices.Equal(r.Reasons, texts(reasons)) {
			same = append(same, sqlgen.ConfirmHealthParams{PoolNo: r.PoolNo, Online: r.Online, Nodes: r.Expected, Score: score, CheckedAt: now})
			continue
		}
		changed = append(changed, sqlgen.InsertHealthParams{
			PoolNo: r.PoolNo, State: string(state), Reasons: texts(reasons), Online: r.Online, Nodes: r.Expected, Score: score, At: now,
		})
		err := publish(ctx, tx, r.PoolID, "", Changed{
			Change: changedHealth, Name: r.Name, MaxNodes: int(r.MaxNodes), NodeCount: int(r.NodeCount),
			RewardPerEpoch: ledger.Amount(r.RewardPerEpoch), Health: state, HealthReasons: reasons,
		}, now)
		if err != nil {
			return err
		}
	}
	var errs []error
	collect := func(_ int, err error) { errs = append(errs, err) }
	q.InsertHealth(ctx, changed).Exec(collect)
	q.ConfirmHealth(ctx, same).Exec(collect)
	return errors.Join(append(errs, q.ForgetHealth(ctx, now.Add(-healthKept)))...)
}

func texts(reasons []Reason) []string {
	list := make([]string, len(reasons))
	for i, r := range reasons {
		list[i] = string(r)
	}
	return list
}
