package fraud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

// Decision is what a person made of a flag.
type Decision string

// Decisions.
const (
	Dismissed Decision = "dismissed" // it was no fraud, or an appeal convinced
	Confirmed Decision = "confirmed" // it was: the node's money goes back to its pools
)

// Appeal stores what an owner says against a flag, once. It changes nothing by
// itself: a person decides.
func (s *Store) Appeal(ctx context.Context, by audit.By, nodeID, flagID, text string) (Flag, error) {
	return s.change(ctx, flagID, func(tx db.Tx, f Flag, now time.Time) error {
		if f.NodeID != nodeID {
			return notFound(flagID)
		}
		if f.State != Open {
			return fault.New(fault.StateNotAllowed, "%s is %s; only an open flag can be appealed", flagID, f.State)
		}
		n, err := sqlgen.New(tx).InsertAppeal(ctx, sqlgen.InsertAppealParams{FlagNo: f.No, Text: text, AppealedBy: by.Actor, At: now})
		if err != nil {
			return err
		} else if n == 0 {
			return fault.New(fault.StateNotAllowed, "%s was appealed already", flagID)
		}
		if err := event.Publish(ctx, tx, f.name().event(flagEvent(changeAppealed, f.No, f.Rule), now)); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("fraud.appeal", flagID, nil, map[string]any{"node_id": f.NodeID, "text": text}).AtTime(now))
	})
}

// Decide settles a flag for good. Dismissed, it supports no hold any more, nor do
// the same rule's of the days before; what it found since stays open, since nobody
// who looked at this one has read it. The hold ends when no other flag supports it,
// and its money is released unless the node is still being vetted. Confirmed, the
// node's money goes back to the pools that it came from (forfeit.go), the node is
// suspended unless it is deleted, and its other open flags are settled with it.
func (s *Store) Decide(ctx context.Context, by audit.By, flagID string, d Decision, reason string) (Flag, error) {
	return s.change(ctx, flagID, func(tx db.Tx, f Flag, now time.Time) error {
		if f.State == State(Dismissed) || f.State == State(Confirmed) {
			return fault.New(fault.StateNotAllowed, "%s is %s already, by %s", flagID, f.State, *f.DecidedBy)
		}
		q := sqlgen.New(tx)
		settled, err := settledWith(ctx, q, f, d)
		if err != nil {
			return err
		}
		if _, err := q.InsertDecision(ctx, sqlgen.InsertDecisionParams{
			FlagNos: settled, Decision: string(d), Reason: reason, DecidedBy: by.Actor, At: now,
		}); err != nil {
			return err
		}
		change, moved, err := s.settle(ctx, tx, f, d, now)
		if err != nil {
			return err
		}
		events := []event.Event{f.name().event(flagEvent(Change(d), f.No, f.Rule), now)}
		if change == changeReleased {
			events = append(events, f.name().event(Changed{Change: change, Summary: fmt.Sprintf("%s USDT are payable again", moved)}, now))
		}
		if err := event.Publish(ctx, tx, events...); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("fraud."+string(d), flagID, nil, map[string]any{
			"node_id": f.NodeID, "rule": f.Rule.ID, "reason": reason, "settled": len(settled), "moved": moved,
		}).AtTime(now))
	})
}

// settledWith are the flags that a decision settles.
func settledWith(ctx context.Context, q *sqlgen.Queries, f Flag, d Decision) ([]int64, error) {
	switch {
	case d == Confirmed:
		return q.OpenFlags(ctx, f.NodeNo)
	case slices.Contains(dailyRules(), f.Rule.ID):
		return q.OpenFlagsOfRule(ctx, sqlgen.OpenFlagsOfRuleParams{NodeNo: f.NodeNo, Rule: f.Rule.ID, Newest: f.No})
	}
	return []int64{f.No}, nil
}

// change locks the ledger before the flag, as every movement of money does. Payouts
// are numbered under that lock too: those that the node has by then are what a
// confirmed flag forfeits (forfeited_by).
func (s *Store) change(ctx context.Context, flagID string, run func(tx db.Tx, f Flag, now time.Time) error) (Flag, error) {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		f, err := flag(ctx, tx, flagID)
		if err != nil {
			return err
		}
		return run(tx, f, s.cfg.Now())
	})
	if err != nil {
		return Flag{}, err
	}
	return flag(ctx, s.cfg.Pool, flagID)
}

// settle moves the money that a decision frees.
func (s *Store) settle(ctx context.Context, tx db.Tx, f Flag, d Decision, now time.Time) (Change, ledger.Amount, error) {
	q := sqlgen.New(tx)
	holdNo, err := q.LockHold(ctx, f.NodeNo)
	held := !errors.Is(err, pgx.ErrNoRows)
	if err != nil && held {
		return "", 0, err
	}
	if d == Confirmed {
		return s.confirm(ctx, tx, f, holdNo, held, now)
	}
	open, err := marksOf(ctx, q, f.NodeNo)
	if err != nil || !held || holds(open) {
		return "", 0, err
	}
	if err := q.EndHold(ctx, sqlgen.EndHoldParams{HoldNo: holdNo, At: now, Outcome: string(changeReleased)}); err != nil {
		return "", 0, err
	}
	vetted, err := s.cfg.Vetted(ctx, tx, f.NodeNo, now)
	if err != nil || !vetted {
		return changeReleased, 0, err // the end of vetting releases it
	}
	amount, err := ledger.Balance(ctx, tx, ledger.Account{Kind: ledger.KindHeld, Owner: f.NodeID})
	if err != nil || amount == 0 {
		return changeReleased, 0, err
	}
	_, err = ledger.Post(ctx, tx, ledger.Release(refOf(holdNo, now), now, f.NodeID, amount))
	return changeReleased, amount, err
}

const whyConfirmed = "fraud confirmed"

// confirm takes what a node has. Payouts that were not begun are cancelled here and
// not by CancelForfeited soon after, so that the origin of all is counted together:
// by itself, what is left beside a payout would go to the newest pools alone.
func (s *Store) confirm(ctx context.Context, tx db.Tx, f Flag, holdNo int64, held bool, now time.Time) (Change, ledger.Amount, error) {
	q := sqlgen.New(tx)
	if held {
		if err := q.EndHold(ctx, sqlgen.EndHoldParams{HoldNo: holdNo, At: now, Outcome: string(Confirmed)}); err != nil {
			return "", 0, err
		}
	}
	if err := s.cfg.CancelPayouts(ctx, tx, audit.By{Actor: audit.System}, f.NodeNo, whyConfirmed, now); err != nil {
		return "", 0, err
	}
	amount, err := forfeitAll(ctx, tx, f.NodeNo, f.NodeID, f.ID(), now)
	if err != nil {
		return "", 0, err
	}
	return changeConfirmed, amount, node.SetStatus(ctx, tx, f.NodeNo, node.Suspended, node.SuspendedByOperator+whyConfirmed+" ("+f.ID()+")", now)
}
