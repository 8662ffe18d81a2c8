package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
)

func (s *server) earningsOperations() {
	register(s, operation{
		id: "getEarnings", method: http.MethodGet, path: basePath + "/nodes/{node_id}/earnings", tag: "payouts", role: access.Viewer, owner: true,
		summary: "Read what a node earned",
		description: "What it has now, and the newest closed epochs with the time, the score and the reasons behind each share. " +
			"in_flight and paid are net of the fees, which stand beside them: payable, held, in_flight, paid and fees sum to what it earned, less what was forfeited. Also of a deleted node.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleEarnings(),
	}, s.getEarnings)
}

type earningsInput struct {
	NodeInput
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Epochs shown."`
}

type earningsBody struct {
	NodeID   string      `json:"node_id"`
	Currency string      `json:"currency" enum:"USDT"`
	Payable  usdt        `json:"payable" doc:"Waits for the payout threshold."`
	Held     usdt        `json:"held" doc:"Until vetting ends or a suspicion is decided."`
	InFlight usdt        `json:"in_flight" doc:"In a payout that is on its way."`
	Paid     usdt        `json:"paid" doc:"In completed payouts."`
	Fees     usdt        `json:"fees" doc:"Of the payouts that in_flight and paid count."`
	Epochs   []epochBody `json:"epochs" nullable:"false"`
}

type epochBody struct {
	PoolID          string              `json:"pool_id"`
	StartsAt        time.Time           `json:"starts_at"`
	EndsAt          time.Time           `json:"ends_at"`
	PoolReward      usdt                `json:"pool_reward" doc:"Shared by all nodes of the pool."`
	Share           usdt                `json:"share" doc:"This node's part."`
	Destination     string              `json:"destination" enum:"payable,held"`
	MemberSeconds   seconds             `json:"member_seconds" doc:"Time in the pool."`
	CreditedSeconds seconds             `json:"credited_seconds" doc:"Of it active and connected."`
	PootScore       points              `json:"poot_score" doc:"As of the epoch's end."`
	Factors         orNull[factorsBody] `json:"factors" doc:"What the score was made of; null without a verdict by then."`
	Reasons         []string            `json:"reasons" nullable:"false" doc:"Why the share is not that of a full epoch, or is held: partial_membership (joined or left in it), suspended, inactive (in another state than active), offline, fault_window (time of a fault of ours was credited), new (held until vetted), held (under suspicion), no_score, capped (the day's most was reached; the rest stays unallocated)."`
}

func (s *server) getEarnings(ctx context.Context, in *earningsInput) (*answer[earningsBody], error) {
	no, err := s.Nodes.NoOf(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	e, err := s.Epochs.Earnings(ctx, no, in.Limit)
	if err != nil {
		return nil, err
	}
	factors := make([]*score.Factors, len(e.Epochs))
	for i, l := range e.Epochs {
		if factors[i], err = score.ParseFactors(l.Factors); err != nil {
			return nil, err
		}
	}
	return answered(shapeEarnings(in.NodeID, e, factors))
}

func shapeEarnings(nodeID string, e epoch.Earnings, factors []*score.Factors) earningsBody {
	b := earningsBody{
		NodeID: nodeID, Currency: "USDT", Payable: usdt(e.Payable), Held: usdt(e.Held), InFlight: usdt(e.InFlight), Paid: usdt(e.Paid), Fees: usdt(e.Fees),
		Epochs: shape(e.Epochs, shapeEpoch),
	}
	for i := range b.Epochs {
		b.Epochs[i].Factors = shapeFactors(factors[i])
	}
	return b
}

func shapeEpoch(l epoch.Line) epochBody {
	return epochBody{
		PoolID: l.PoolID, StartsAt: l.StartsAt, EndsAt: l.EndsAt, PoolReward: usdt(l.Reward), Share: usdt(l.Share), Destination: l.Destination,
		MemberSeconds: seconds(l.MemberMs), CreditedSeconds: seconds(l.CreditedMs), PootScore: points(l.ScoreNano),
		Reasons: append([]string{}, l.Reasons...),
	}
}

func exampleEarnings() earningsBody {
	return shapeEarnings("node_4f1c2a", epoch.Earnings{
		Payable: 4_250_000, Paid: ledger.USDT(99) / 10, Fees: 100_000, Epochs: []epoch.Line{{
			PoolID: "pool_default", StartsAt: exampleTime(), EndsAt: exampleTime().Add(time.Hour), Reward: ledger.USDT(3) / 2, Share: 750_000,
			Destination: epoch.DestinationPayable, MemberMs: 3_600_000, CreditedMs: 3_540_500, ScoreNano: 987_654_321,
			Reasons: []string{epoch.ReasonOffline},
		}},
	}, []*score.Factors{{Reputation: score.One, Timeliness: score.One, Availability: 987_654_321, Quality: score.One}})
}
