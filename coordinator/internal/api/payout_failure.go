package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/manual"
)

func (s *server) payoutFailureOperations() {
	register(s, operation{
		id: "reportPayoutFailure", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/failure", tag: "payouts", role: access.Operator, money: true,
		status: http.StatusAccepted, summary: "Tell that a payout failed",
		description: "Of one that is paid by hand, with a proof that it was not paid and never will be. Nothing moves before a second person confirms it.",
		errors:      []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed},
		request:     failureBody{"the exchange refused the withdrawal", "ticket 17: refused, and the balance is as before"}, example: examplePayout(),
	}, s.reportPayoutFailure)
	register(s, operation{
		id: "getPayoutFailure", method: http.MethodGet, path: basePath + "/nodes/payouts/{payout_id}/failure", tag: "payouts", role: access.Viewer,
		summary: "Read what was told of a failed payout", description: "What a second person reads before confirming it. Told again, it has another report_hash.",
		errors: []fault.Code{fault.OtherNotFound}, example: exampleFailure(),
	}, s.getPayoutFailure)
	register(s, operation{
		id: "confirmPayoutFailure", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/failure/confirm", tag: "payouts", role: access.Operator, money: true,
		summary: "Confirm that a payout failed", description: "Its amount is the node's again. Only by a user who logged in, and who is not the one that told of it. " +
			"Confirmed is the report of that report_hash and no other.",
		errors: []fault.Code{fault.StateNotAllowed, fault.ChangedMeanwhile}, request: confirmBody{exampleFailure().ReportHash}, example: examplePayout(),
	}, s.confirmPayoutFailure)
}

type failureBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters"`
	Proof  string `json:"proof" minLength:"1" maxLength:"2000" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"What shows that it was not paid and never will be: a ticket, a link, a refusal."`
}

type failureInput struct {
	PayoutInput
	Body failureBody
}

func (s *server) reportPayoutFailure(ctx context.Context, in *failureInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Manual.Report(ctx, by(ctx), in.PayoutID, in.Body.Reason, in.Body.Proof))
}

type reportedBody struct {
	PayoutID    string    `json:"payout_id"`
	Reason      string    `json:"reason"`
	Proof       string    `json:"proof"`
	ReportedBy  string    `json:"reported_by"`
	ReportedAt  time.Time `json:"reported_at"`
	ConfirmedBy *string   `json:"confirmed_by" doc:"null until a second person has confirmed it."`
	ReportHash  string    `json:"report_hash" doc:"SHA-256 over all of this, in hex: what is confirmed."`
}

func shapeFailure(f manual.Failure) reportedBody {
	return reportedBody{f.PayoutID, f.Reason, f.Proof, f.ReportedBy, f.ReportedAt, f.ConfirmedBy, f.Hash()}
}

func exampleFailure() reportedBody {
	return shapeFailure(manual.Failure{
		PayoutID: "payout_9d2e", Reason: "the exchange refused the withdrawal", Proof: "ticket 17: refused, and the balance is as before",
		ReportedBy: "user_1b2c", ReportedAt: exampleTime(),
	})
}

func (s *server) getPayoutFailure(ctx context.Context, in *PayoutInput) (*answer[reportedBody], error) {
	f, err := s.Manual.Failure(ctx, in.PayoutID)
	if err != nil {
		return nil, err
	}
	return answered(shapeFailure(f))
}

type confirmBody struct {
	ReportHash string `json:"report_hash" pattern:"^[0-9a-f]{64}$" patternDescription:"64 hexadecimal digits" doc:"Of the report that you read."`
}

type confirmInput struct {
	PayoutInput
	Body confirmBody
}

func (s *server) confirmPayoutFailure(ctx context.Context, in *confirmInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Manual.Confirm(ctx, person(ctx), in.PayoutID, in.Body.ReportHash))
}
