package api

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout"
)

func (s *server) payoutStepOperations() {
	register(s, operation{
		id: "cancelPayout", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/cancel", tag: "payouts", role: access.Operator, money: true,
		summary: "Cancel a payout", description: "Only a pending one; its amount is the node's again.",
		errors: []fault.Code{fault.PayoutNotFound, fault.NotCancellable}, example: examplePayout(),
	}, s.cancelPayout)
	register(s, operation{
		id: "retryPayout", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/retry", tag: "payouts", role: access.Operator, money: true,
		summary: "Try a failed payout again", description: "At most three times; its amount is set aside anew.",
		errors: []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed, fault.BalanceTooSmall}, example: examplePayout(),
	}, s.retryPayout)
	register(s, operation{
		id: "approvePayout", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/approve", tag: "payouts", role: access.Operator, money: true,
		summary: "Approve a payout", description: approvalWords,
		errors: []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed}, example: examplePayout(),
	}, s.approvePayout)
	register(s, operation{
		id: "approvePayoutBatch", method: http.MethodPost, path: basePath + "/nodes/payouts/batch/{batch_id}/approve", tag: "payouts", role: access.Operator, money: true,
		summary: "Approve a batch", description: "Every payout of it that waits for approval. " + approvalWords,
		errors: []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed}, example: exampleBatch(),
	}, s.approvePayoutBatch)
}

const approvalWords = "Only by a user who logged in, and who is not the one that asked for it: neither an API key nor a token of an outside issuer can."

// person is who calls. Whom an outside issuer speaks of may be a program.
func person(ctx context.Context) payout.Person {
	return payout.Person{By: by(ctx), Human: callOf(ctx).principal.Kind == access.ByLogin}
}

// PayoutInput names a payout.
type PayoutInput struct {
	PayoutID string `path:"payout_id" pattern:"^payout_[a-zA-Z0-9_-]+$" patternDescription:"a payout's id" maxLength:"64" example:"payout_9d2e" doc:"Id of the payout."`
}

func (s *server) cancelPayout(ctx context.Context, in *PayoutInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Payouts.Cancel(ctx, by(ctx), in.PayoutID))
}

func (s *server) retryPayout(ctx context.Context, in *PayoutInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Payouts.Retry(ctx, by(ctx), in.PayoutID))
}

func (s *server) approvePayout(ctx context.Context, in *PayoutInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Payouts.Approve(ctx, person(ctx), in.PayoutID))
}

func (s *server) approvePayoutBatch(ctx context.Context, in *BatchInput) (*answer[batchBody], error) {
	return answeredBatch(s.Payouts.ApproveBatch(ctx, person(ctx), in.BatchID))
}
