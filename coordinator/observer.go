package coordinator

import (
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/shared/wire"
)

// What an Observer is told of, in the words of the rooms it comes from.
type (
	Sample   = wire.Sample
	Verdict  = challenge.Verdict
	Standing = challenge.Standing
	Earning  = epoch.Earning
	USDT     = ledger.Amount
)

// Observer is told what happens, after it is stored. A nil function is not
// called. None of them may block.
type Observer struct {
	Online  func(nodeID string, online bool)
	Sample  func(nodeID string, s *Sample)
	Verdict func(nodeID string, v Verdict, s Standing)
	Earning func(e Earning)
	Payout  func(nodeID, payoutID string, gross, fee USDT)
}

func (o Observer) withDefaults() Observer {
	if o.Online == nil {
		o.Online = func(string, bool) {}
	}
	if o.Sample == nil {
		o.Sample = func(string, *Sample) {}
	}
	if o.Verdict == nil {
		o.Verdict = func(string, Verdict, Standing) {}
	}
	if o.Earning == nil {
		o.Earning = func(Earning) {}
	}
	if o.Payout == nil {
		o.Payout = func(string, string, USDT, USDT) {}
	}
	return o
}
