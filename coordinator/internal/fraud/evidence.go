package fraud

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/fraud/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/shared/proof"
)

// answerOf reads a verdict and the answer that it was given on. The MAC was
// checked when it came.
func (s *Store) answerOf(r sqlgen.AnswersRow) (Answer, error) {
	a := Answer{
		VerdictNo: r.VerdictNo, NodeNo: r.NodeNo, KeyEpoch: r.KeyEpoch, ChallengeID: r.ChallengeID.String(), At: r.At,
		Result: r.Result, Reason: r.Reason, Cohort: r.Cohort, Network: r.Network,
	}
	if rate, known := s.cfg.Fastest(r.Model); known {
		a.Rate = rate
	}
	if r.Puzzles > 0 {
		a.Limit = s.cfg.CohortTime(r.Model, int(r.Puzzles), int(r.Difficulty))
	}
	if r.Response == nil || r.AnsweredMs == nil {
		return a, nil
	}
	response, err := proof.ParseResponse(r.Response)
	if err != nil {
		return Answer{}, fmt.Errorf("stored answer to %s: %w", a.ChallengeID, err)
	}
	a.Answered, a.Took = true, time.Duration(*r.AnsweredMs)*time.Millisecond
	for _, x := range response.Solutions {
		a.Hashes += x + 1
	}
	a.Run, a.Boot = hex.EncodeToString(response.Run[:]), hex.EncodeToString(response.BootID[:])
	a.Unchecked = r.Unchecked
	a.BootTime, a.Throttled = time.Duration(response.BootTimeMs)*time.Millisecond, response.Throttle != 0
	if r.LaterRun.Unix() != 0 {
		a.LaterRunSince = r.LaterRun
	}
	return a, nil
}

// members reads all nodes with what is remembered of them.
func members(ctx context.Context, q *sqlgen.Queries) ([]Member, error) {
	rows, err := q.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	all := make([]Member, len(rows))
	for i, r := range rows {
		m := &all[i]
		*m = Member{
			NodeNo: r.NodeNo, PoolNo: r.PoolNo, Model: r.Model, Payout: r.PayoutAddress, Serial: r.ToldSerial, Board: r.SerialHash, Created: r.CreatedAt,
		}
		if r.PayoutAddressChangedAt != nil {
			m.AddressChanged = *r.PayoutAddressChangedAt
		}
		if r.Body != nil {
			if err := json.Unmarshal(r.Body, &m.Memory); err != nil {
				return nil, fmt.Errorf("memory of node %d: %w", r.NodeNo, err)
			}
		}
	}
	return all, nil
}

// figures reads what nodes told in a span, by node.
func figures(ctx context.Context, q *sqlgen.Queries, since, until time.Time) (all []Figures, byNode [][]Figures, err error) {
	rows, err := q.Figures(ctx, sqlgen.FiguresParams{Since: since, Until: until, Leap: int64(linkBytes * figuresEvery.Seconds())})
	if err != nil {
		return nil, nil, fmt.Errorf("read telemetry: %w", err)
	}
	all = make([]Figures, len(rows))
	from := 0
	for i, r := range rows {
		all[i] = Figures{
			NodeNo: r.NodeNo, At: r.At, RunNo: r.RunNo, Seq: r.Seq, In: r.NetworkBytesInLast, Out: r.NetworkBytesOutLast,
			MemoryUsed: r.MemoryUsedBytesAvg, MemoryNewest: r.MemoryUsedBytesLast, CPU: r.CpuUsagePercentAvg,
		}
		if r.NodeNo != all[from].NodeNo {
			byNode, from = append(byNode, all[from:i]), i
		}
	}
	if len(all) > 0 {
		byNode = append(byNode, all[from:])
	}
	return all, byNode, nil
}

func departures(ctx context.Context, q *sqlgen.Queries, since, until time.Time) ([]Departure, error) {
	rows, err := q.Departures(ctx, sqlgen.DeparturesParams{Since: since, Until: until, Most: stepNewest})
	if err != nil {
		return nil, fmt.Errorf("read who went offline: %w", err)
	}
	all := make([]Departure, len(rows))
	for i, r := range rows {
		all[i] = Departure{r.NodeNo, *r.ToAt, r.Network}
	}
	return all, nil
}

// earnings reads what epochs gave that were closed since.
func earnings(ctx context.Context, q *sqlgen.Queries, since time.Time) ([]Earning, error) {
	rows, err := q.Earnings(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("read what nodes earned: %w", err)
	}
	all := make([]Earning, len(rows))
	for i, r := range rows {
		all[i] = Earning{r.NodeNo, r.EndsAt, ledger.Amount(r.Share), r.Reasons}
	}
	return all, nil
}
