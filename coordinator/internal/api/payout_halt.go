package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout"
)

func (s *server) payoutHaltOperations() {
	register(s, operation{
		id: "getPayoutHalts", method: http.MethodGet, path: basePath + "/nodes/payouts/halts", tag: "payouts", role: access.Viewer,
		summary: "Read what halts payouts", description: "While there is anything, no payout begins to be paid.",
		example: haltListBody{[]haltBody{exampleHalt()}},
	}, s.getPayoutHalts)
	register(s, operation{
		id: "haltPayouts", method: http.MethodPost, path: basePath + "/nodes/payouts/halts", tag: "payouts", role: access.Operator, money: true,
		status: http.StatusCreated, summary: "Halt all payouts", description: "None begins to be paid until it is lifted; what is processing goes on.",
		request: newHaltBody{"the wallet is being moved"}, example: haltListBody{[]haltBody{exampleHalt()}},
	}, s.haltPayouts)
	register(s, operation{
		id: "liftPayoutHalt", method: http.MethodDelete, path: basePath + "/nodes/payouts/halts/{halt_no}", tag: "payouts", role: access.Admin,
		status: http.StatusNoContent, summary: "Let payouts go on", description: "Once no reason is left. Look into each before: a rail halts payouts when its books and the wallet differ.",
		errors: []fault.Code{fault.OtherNotFound},
	}, s.liftPayoutHalt)
}

type haltListBody struct {
	Halts []haltBody `json:"halts" nullable:"false"`
}

type haltBody struct {
	HaltNo   int64     `json:"halt_no"`
	Reason   string    `json:"reason"`
	HaltedBy string    `json:"halted_by"`
	HaltedAt time.Time `json:"halted_at"`
}

func shapeHalt(s payout.Stoppage) haltBody { return haltBody{s.No, s.Reason, s.By, s.At} }

func exampleHalt() haltBody {
	return shapeHalt(payout.Stoppage{No: 3, Reason: "the wallet is being moved", By: "user_1b2c", At: exampleTime()})
}

func (s *server) getPayoutHalts(ctx context.Context, _ *struct{}) (*answer[haltListBody], error) {
	list, err := s.Payouts.Stoppages(ctx)
	if err != nil {
		return nil, err
	}
	return answered(haltListBody{shape(list, shapeHalt)})
}

type newHaltBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters"`
}

func (s *server) haltPayouts(ctx context.Context, in *struct{ Body newHaltBody }) (*answer[haltListBody], error) {
	if err := s.Payouts.Halt(ctx, by(ctx), in.Body.Reason); err != nil {
		return nil, err
	}
	return s.getPayoutHalts(ctx, nil)
}

type haltInput struct {
	HaltNo int64 `path:"halt_no" minimum:"1" example:"3" doc:"Number of the halt."`
}

func (s *server) liftPayoutHalt(ctx context.Context, in *haltInput) (*struct{}, error) {
	return nil, s.Payouts.Lift(ctx, by(ctx), in.HaltNo)
}
