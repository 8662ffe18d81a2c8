package rail

import (
	"errors"
	"os"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
)

// act lets people do something, at times what is refused: then nothing changes.
func (s *schedule) act() {
	if len(s.ids) == 0 || len(s.ids) < 6 && s.random.IntN(8) == 0 {
		s.ids = append(s.ids, s.owe(byte(len(s.ids)+1), ledger.USDT(int64(50+s.random.IntN(500)))))
	}
	id, what, err := s.ids[s.random.IntN(len(s.ids))], "", error(nil)
	switch s.random.IntN(30) {
	case 0:
		what = "cancels"
		_, err = s.payouts.Cancel(s.t.Context(), byAdmin, id)
	case 1, 2, 3:
		what = "retries"
		_, err = s.payouts.Retry(s.t.Context(), byAdmin, id)
	case 4, 5:
		what = "changed addresses"
		s.moveTo(id, byte(50+s.done[what]))
	case 6:
		what = "holds"
		s.flags = append(s.flags, s.hold(id))
	case 7:
		if len(s.flags) > 0 {
			what = "releases"
			s.settle(fraud.Dismissed)
		}
	case 8, 14, 15:
		if len(s.flags) > 0 {
			what = "confirms"
			s.settle(fraud.Confirmed)
		}
	case 10:
		what = "memories lost" // with nothing forgotten: it cannot be told
		err = os.RemoveAll(s.head)
	case 11, 12, 13:
		if s.remembersAgain() {
			what = "looks at what was forgotten"
		}
	case 9, 16, 17:
		if s.startAgain(id) {
			what = "starts of confirmed nodes"
		}
	default:
		s.judged()
	}
	if _, refused := errors.AsType[*fault.Error](err); err != nil && !refused {
		s.t.Errorf("%s of %s: %v", what, id, err)
	} else if err == nil && what != "" {
		s.done[what]++
	}
	if *oneSchedule != 0 && what != "" {
		s.t.Logf("%s of %s: %v", what, id, err)
	}
}

// settle decides the oldest flag that holds. Another one of its node may have
// been settled with it.
func (s *schedule) settle(d fraud.Decision) {
	s.chain.Advance(1)
	if _, err := s.fraud.Decide(s.t.Context(), byAdmin, s.flags[0], d, "looked at"); err != nil && !fault.Has(err, fault.StateNotAllowed) {
		s.t.Errorf("%s %s: %v", d, s.flags[0], err)
	}
	s.flags = s.flags[1:]
}

// startAgain lets the node of a payout work again whose fraud was confirmed.
func (s *schedule) startAgain(id string) (started bool) {
	err := db.InTx(s.t.Context(), s.pool, func(tx db.Tx) error {
		nodeNo := query[int32](s.world, `SELECT node_no FROM payout WHERE payout_id = $1`, id)
		state, err := node.StateOf(s.t.Context(), tx, nodeNo)
		if started = state.Status == node.Suspended; err != nil || !started {
			return err
		}
		s.chain.Advance(1)
		return node.SetStatus(s.t.Context(), tx, nodeNo, node.Active, "proven", s.chain.Now())
	})
	if err != nil {
		s.t.Errorf("start the node of %s: %v", id, err)
	}
	return started
}

// remembersAgain lifts what halts since a memory was lost.
func (s *schedule) remembersAgain() (lifted bool) {
	halts, err := s.payouts.Stoppages(s.t.Context())
	for _, h := range halts {
		if h.Reason == payout.HaltUnknown && err == nil {
			lifted, err = true, s.payouts.Lift(s.t.Context(), byAdmin, h.No)
		}
	}
	if err != nil {
		s.t.Errorf("lift: %v", err)
	}
	return lifted
}
