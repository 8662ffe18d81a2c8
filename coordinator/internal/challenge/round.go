package challenge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/node"
)

// Bounds of one round. The heartbeat waits for its end, so one that took long
// would look like an outage of ours; the next round goes on.
const (
	most      = 1000
	roundTime = time.Second // for closing
)

// longestPass is the most time that a round looks back on for a cohort: after a
// pause of ours none is made up for.
const longestPass = 10 * time.Second

// RunOnce closes what nobody answered, challenges every node whose moment has
// come, and now and then a cohort. Only the coordinator that holds the lease
// calls it, never twice at a time.
func (r *Referee) RunOnce(ctx context.Context) error {
	failed := r.expire(ctx)
	now := r.Now()
	settled := now.Sub(r.started) >= r.Quiet
	due, err := sqlgen.New(r.Pool).Due(ctx, sqlgen.DueParams{At: now, Settled: now.Add(settling), AllStates: settled, Most: most})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("read who is due: %w", err))
	}
	failed = errors.Join(failed, r.issue(ctx, due, false))
	passed := min(now.Sub(r.lastRound), longestPass)
	r.lastRound = now
	if !settled {
		return failed
	}
	return errors.Join(failed, r.cohort(ctx, passed))
}

// settling is the time that a node gets from its connection on to subscribe: a
// challenge before that reaches nobody, and would be judged missed. With the
// pulse of a second a starting node is still challenged within two.
const settling = 800 * time.Millisecond

// NodeConnected draws a node's next moment: as soon as it can hear for one that
// has yet to prove itself, else never at a moment that its own connecting decides.
func (r *Referee) NodeConnected(ctx context.Context, nodeNo int32, status node.Status) error {
	q, now := sqlgen.New(r.Pool), r.Now()
	if status == node.Starting {
		return q.SetNext(ctx, sqlgen.SetNextParams{NodeNo: nodeNo, NextAt: now.Add(settling)})
	}
	return q.RenewPast(ctx, sqlgen.RenewPastParams{NodeNo: nodeNo, NextAt: r.nextAt(now), At: now})
}

func (r *Referee) nextAt(now time.Time) time.Time {
	return now.Add(gap(routineGap(r.Interval), r.Exponential()))
}

// cohort challenges many nodes at once, if one falls into the time that passed.
func (r *Referee) cohort(ctx context.Context, passed time.Duration) error {
	q := sqlgen.New(r.Pool)
	nodes, err := q.CountRoutine(ctx)
	if err != nil {
		return fmt.Errorf("count who can be in a cohort: %w", err)
	}
	if nodes == 0 || !cohortComes(passed, cohortGap(r.Interval, int(nodes)), r.Exponential()) {
		return nil
	}
	suspects, err := r.Suspects(ctx)
	if err != nil {
		return fmt.Errorf("read who is suspected: %w", err)
	}
	drawn, err := q.DrawCohort(ctx, sqlgen.DrawCohortParams{Suspects: suspects, Most: int32(cohortSize(int(nodes)))})
	if err != nil {
		return fmt.Errorf("draw a cohort: %w", err)
	}
	targets := make([]target, len(drawn))
	for i, d := range drawn {
		targets[i] = target(d)
	}
	return r.issue(ctx, targets, true)
}
