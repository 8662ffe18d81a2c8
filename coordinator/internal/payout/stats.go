package payout

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Group is how many payouts have something in common, and their sums.
type Group struct {
	Payouts   int64
	Amount    ledger.Amount
	Fee       ledger.Amount
	NetAmount ledger.Amount
}

func (g *Group) add(r sqlgen.StatsRow) {
	g.Payouts += r.Payouts
	g.Amount += ledger.Amount(r.Amount)
	g.Fee += ledger.Amount(r.Fee)
	g.NetAmount += ledger.Amount(r.NetAmount)
}

// Stats sums up the payouts that were made in a time.
type Stats struct {
	All        Group
	ByStatus   map[Status]Group
	ByPriority map[string]Group
	ByRail     map[Rail]Group // "": none yet

	ProcessingMs int64 // of the completed ones, from the beginning of payment, all together
}

// Stats reads them since a time; zero is all that ever was. nodeIDs, if not
// empty, are the only nodes whose payouts count.
func (s *Store) Stats(ctx context.Context, since time.Time, nodeIDs []string) (Stats, error) {
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	rows, err := sqlgen.New(s.cfg.Pool).Stats(ctx, sqlgen.StatsParams{Since: since, NodeIds: append([]string{}, nodeIDs...)})
	if err != nil {
		return Stats{}, fmt.Errorf("sum up payouts: %w", err)
	}
	all := Stats{ByStatus: map[Status]Group{}, ByPriority: map[string]Group{}, ByRail: map[Rail]Group{}}
	for _, r := range rows {
		all.All.add(r)
		grow(all.ByStatus, Status(r.Status), r)
		grow(all.ByPriority, r.Priority, r)
		grow(all.ByRail, Rail(r.Rail), r)
		all.ProcessingMs += r.ProcessingMs
	}
	return all, nil
}

func grow[K comparable](groups map[K]Group, key K, r sqlgen.StatsRow) {
	g := groups[key]
	g.add(r)
	groups[key] = g
}

// Queue is what waits to be paid.
type Queue struct {
	Length        int64
	NetAmount     ledger.Amount
	ByPriority    map[string]int64
	ForApproval   int64 // of them, waiting for a second person
	ForSchedule   int64 // waiting for their time
	Oldest        *time.Time
	Newest        *time.Time
	MeanWaitMs    int64 // of the payouts that began to be paid in the last 7 days; -1: none did
	HaltedReasons []string
}

// waitWindow is how far back waits tell how long the next one may be.
const waitWindow = 7 * day

// Queue reads it. nodeIDs, if not empty, are the only nodes whose payouts are
// looked at.
func (s *Store) Queue(ctx context.Context, nodeIDs []string) (Queue, error) {
	at, q := s.cfg.Now(), sqlgen.New(s.cfg.Pool)
	rows, err := q.QueueStats(ctx, sqlgen.QueueStatsParams{At: &at, NodeIds: append([]string{}, nodeIDs...)})
	if err != nil {
		return Queue{}, fmt.Errorf("read the queue of payouts: %w", err)
	}
	queue := Queue{ByPriority: map[string]int64{}}
	for _, r := range rows {
		queue.Length += r.Payouts
		queue.NetAmount += ledger.Amount(r.NetAmount)
		queue.ByPriority[r.Priority] += r.Payouts
		switch r.WaitsFor {
		case "approval":
			queue.ForApproval += r.Payouts
		case "schedule":
			queue.ForSchedule += r.Payouts
		}
		if queue.Oldest == nil || r.Oldest.Before(*queue.Oldest) {
			queue.Oldest = &r.Oldest
		}
		if queue.Newest == nil || r.Newest.After(*queue.Newest) {
			queue.Newest = &r.Newest
		}
	}
	since := at.Add(-waitWindow)
	if queue.MeanWaitMs, err = q.MeanWait(ctx, &since); err != nil {
		return Queue{}, fmt.Errorf("read how long payouts waited: %w", err)
	}
	halted, err := s.Stoppages(ctx)
	for _, h := range halted {
		queue.HaltedReasons = append(queue.HaltedReasons, h.Reason)
	}
	return queue, err
}
