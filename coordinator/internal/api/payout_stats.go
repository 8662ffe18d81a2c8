package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func (s *server) payoutStatsOperations() {
	register(s, operation{
		id: "getPayoutStats", method: http.MethodGet, path: basePath + "/nodes/payouts/stats", tag: "payouts", role: access.Viewer, owner: true,
		summary: "Sum up payouts", description: "Of those that were made in time_range, or ever.", example: examplePayoutStats(),
	}, s.getPayoutStats)
	register(s, operation{
		id: "getPayoutQueue", method: http.MethodGet, path: basePath + "/nodes/payouts/queue", tag: "payouts", role: access.Viewer, owner: true,
		summary: "Look at the queue of payouts", description: "What is pending, and what it waits for. It is paid by priority, then by age.", example: exampleQueue(),
	}, s.getPayoutQueue)
}

type payoutStatsInput struct {
	TimeRange string `query:"time_range" enum:"1h,6h,24h,7d,30d" doc:"Without it, all payouts that ever were."`
	Currency  string `query:"currency" enum:"USDT" default:"USDT"`
}

type payoutStatsBody struct {
	TimeRange             *string                    `json:"time_range"`
	Currency              string                     `json:"currency" enum:"USDT"`
	TotalPayouts          int64                      `json:"total_payouts"`
	TotalAmount           usdt                       `json:"total_amount" doc:"Gross."`
	TotalFees             usdt                       `json:"total_fees"`
	TotalPaid             usdt                       `json:"total_paid" doc:"Net, of the completed ones."`
	SuccessRate           *ratio                     `json:"success_rate" nullable:"true" doc:"Completed ones among those that completed or failed; null while there are none."`
	AverageProcessingTime *seconds                   `json:"average_processing_time" nullable:"true" doc:"Seconds from the beginning of payment to completion; null while none completed."`
	ByStatus              map[string]payoutGroupBody `json:"by_status"`
	ByPriority            map[string]payoutGroupBody `json:"by_priority"`
	ByRail                map[string]payoutGroupBody `json:"by_rail" doc:"none: payment has not begun."`
}

type payoutGroupBody struct {
	Payouts   int64 `json:"payouts"`
	Amount    usdt  `json:"amount"`
	Fee       usdt  `json:"fee"`
	NetAmount usdt  `json:"net_amount"`
}

func (s *server) getPayoutStats(ctx context.Context, in *payoutStatsInput) (*answer[payoutStatsBody], error) {
	var since time.Time
	if in.TimeRange != "" {
		since = s.Now().Add(-lengthOf(in.TimeRange))
	}
	stats, err := s.Payouts.Stats(ctx, since, callOf(ctx).principal.NodeIDs)
	if err != nil {
		return nil, err
	}
	body := shapePayoutStats(stats)
	body.TimeRange = orNil(in.TimeRange)
	return answered(body)
}

func shapePayoutStats(s payout.Stats) payoutStatsBody {
	completed, failed := s.ByStatus[payout.Completed], s.ByStatus[payout.Failed]
	b := payoutStatsBody{
		Currency: "USDT", TotalPayouts: s.All.Payouts, TotalAmount: usdt(s.All.Amount), TotalFees: usdt(s.All.Fee), TotalPaid: usdt(completed.NetAmount),
		ByStatus: shapeGroups(s.ByStatus), ByPriority: shapeGroups(s.ByPriority), ByRail: shapeGroups(s.ByRail),
	}
	if over := completed.Payouts + failed.Payouts; over > 0 {
		rate := ratio(completed.Payouts * int64(time.Second) / over) // 1e9 is 1
		b.SuccessRate = &rate
	}
	if completed.Payouts > 0 {
		mean := seconds(s.ProcessingMs / completed.Payouts)
		b.AverageProcessingTime = &mean
	}
	return b
}

func shapeGroups[K ~string](groups map[K]payout.Group) map[string]payoutGroupBody {
	bodies := make(map[string]payoutGroupBody, len(groups))
	for key, g := range groups {
		name := string(key)
		if name == "" {
			name = "none"
		}
		bodies[name] = payoutGroupBody{g.Payouts, usdt(g.Amount), usdt(g.Fee), usdt(g.NetAmount)}
	}
	return bodies
}

func examplePayoutStats() payoutStatsBody {
	g := payout.Group{Payouts: 3, Amount: ledger.USDT(30), Fee: ledger.USDT(3) / 10, NetAmount: ledger.USDT(297) / 10}
	return shapePayoutStats(payout.Stats{
		All: g, ByStatus: map[payout.Status]payout.Group{payout.Completed: g}, ByPriority: map[string]payout.Group{"normal": g},
		ByRail: map[payout.Rail]payout.Group{payout.Manual: g}, ProcessingMs: 5_400_000,
	})
}

type payoutQueueBody struct {
	QueueLength       int64            `json:"queue_length"`
	TotalAmount       usdt             `json:"total_amount" doc:"Net."`
	EstimatedWaitTime *seconds         `json:"estimated_wait_time" nullable:"true" doc:"Seconds: how long payouts of the last 7 days waited for their turn on average; null while none began."`
	Priorities        map[string]int64 `json:"priority_distribution"`
	WaitsFor          map[string]int64 `json:"waiting_distribution" doc:"turn, approval of a second person, or the schedule."`
	OldestPayout      *time.Time       `json:"oldest_payout" doc:"When it was made."`
	NewestPayout      *time.Time       `json:"newest_payout"`
	Halted            []string         `json:"halted" nullable:"false" doc:"Why no payout begins to be paid at the moment; empty: they do."`
}

func (s *server) getPayoutQueue(ctx context.Context, _ *struct{}) (*answer[payoutQueueBody], error) {
	q, err := s.Payouts.Queue(ctx, callOf(ctx).principal.NodeIDs)
	if err != nil {
		return nil, err
	}
	return answered(shapeQueue(q))
}

func shapeQueue(q payout.Queue) payoutQueueBody {
	b := payoutQueueBody{
		QueueLength: q.Length, TotalAmount: usdt(q.NetAmount), Priorities: q.ByPriority, OldestPayout: q.Oldest, NewestPayout: q.Newest,
		WaitsFor: map[string]int64{"approval": q.ForApproval, "schedule": q.ForSchedule, "turn": q.Length - q.ForApproval - q.ForSchedule},
		Halted:   append([]string{}, q.HaltedReasons...),
	}
	if q.MeanWaitMs >= 0 {
		wait := seconds(q.MeanWaitMs)
		b.EstimatedWaitTime = &wait
	}
	return b
}

func exampleQueue() payoutQueueBody {
	at := exampleTime()
	return shapeQueue(payout.Queue{Length: 2, NetAmount: ledger.USDT(198) / 10, ByPriority: map[string]int64{"high": 1, "normal": 1}, ForApproval: 1, Oldest: &at, Newest: &at, MeanWaitMs: 3_600_000})
}
