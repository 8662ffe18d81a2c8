package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func (s *server) payoutPlanOperations() {
	register(s, operation{
		id: "planPayouts", method: http.MethodPost, path: basePath + "/nodes/payouts/plan", tag: "payouts", role: access.Operator, money: true,
		summary: "Show what would be paid",
		description: "Of these requests, or without any of an automatic round: every payout with its fee, the network cost expected of it, a hash, " +
			"and for what cannot be paid the reason. Nothing is made or set aside.",
		request: planRequestBody{exampleBatchRequest().PayoutRequests}, example: examplePlan(),
	}, s.planPayouts)
	register(s, operation{
		id: "executePayoutPlan", method: http.MethodPost, path: basePath + "/nodes/payouts/execute", tag: "payouts", role: access.Operator, money: true,
		status: http.StatusAccepted, summary: "Pay what a plan showed",
		description: "Takes lines of a plan with their hashes and makes a batch of them. A line that would do anything else now is left out, and dropped says why.",
		errors:      []fault.Code{fault.PlanChanged, fault.IdempotencyReuse}, request: executeBody{[]executeLineBody{exampleExecuteLine()}}, example: exampleBatch(),
	}, s.executePayoutPlan)
	register(s, operation{
		id: "getPayoutBudget", method: http.MethodGet, path: basePath + "/nodes/payouts/budget", tag: "payouts", role: access.Viewer,
		summary: "Read the budget of automatic payouts", description: "What rounds may spend in any 24 hours. They pay nobody without one.",
		example: exampleBudget(),
	}, s.getPayoutBudget)
	register(s, operation{
		id: "setPayoutBudget", method: http.MethodPut, path: basePath + "/nodes/payouts/budget", tag: "payouts", role: access.Operator, money: true,
		summary: "Approve a budget of automatic payouts", description: "Replaces the one before; 0 ends it. Only by a user who logged in.",
		request: setBudgetBody{amountInput{"500"}}, example: exampleBudget(),
	}, s.setPayoutBudget)
}

type planRequestBody struct {
	PayoutRequests []batchRequestBody `json:"payout_requests,omitempty" nullable:"false" maxItems:"1000" doc:"Without any, a plan of an automatic round."`
}

type planInput struct{ Body planRequestBody }

// Resolve reads the amounts.
func (in *planInput) Resolve(huma.Context) []error { return newBatchBody(in.Body).complaints() }

type planBody struct {
	At          time.Time      `json:"at"`
	Payouts     int            `json:"payouts" doc:"That can be made; the sums are theirs."`
	Amount      usdt           `json:"amount"`
	Fees        usdt           `json:"fees"`
	NetworkCost usdt           `json:"network_cost" doc:"The most that is expected, in USDT, to hold against fees; 0 on the manual rail."`
	Lines       []planLineBody `json:"lines" nullable:"false"`
}

type planLineBody struct {
	NodeID        string     `json:"node_id"`
	Amount        usdt       `json:"amount"`
	Fee           usdt       `json:"fee"`
	NetAmount     usdt       `json:"net_amount"`
	NetworkCost   usdt       `json:"network_cost"`
	WalletAddress *string    `json:"wallet_address"`
	Priority      string     `json:"priority"`
	ScheduledAt   *time.Time `json:"scheduled_at"`
	Hash          *string    `json:"hash" doc:"Names all of the line; null where it cannot be paid."`
	ErrorCode     *string    `json:"error_code"`
	ErrorMessage  *string    `json:"error_message"`
}

func (s *server) planPayouts(ctx context.Context, in *planInput) (*answer[planBody], error) {
	var p payout.Plan
	var err error
	if len(in.Body.PayoutRequests) == 0 {
		p, err = s.Payouts.PlanRound(ctx)
	} else {
		p, err = s.Payouts.Plan(ctx, newBatchBody(in.Body).requests())
	}
	if err != nil {
		return nil, err
	}
	return answered(shapePlan(p))
}

func shapePlan(p payout.Plan) planBody {
	return planBody{p.At, p.Payouts, usdt(p.Amount), usdt(p.Fees), usdt(p.NetworkCost), shape(p.Lines, shapePlanLine)}
}

func shapePlanLine(l payout.Line) planLineBody {
	b := planLineBody{
		NodeID: l.NodeID, Amount: usdt(l.Amount), Fee: usdt(l.Fee), NetAmount: usdt(l.NetAmount), NetworkCost: usdt(l.NetworkCost),
		WalletAddress: orNil(l.WalletAddress), Priority: l.Priority, ScheduledAt: l.ScheduledAt,
	}
	if l.Refused != nil {
		b.ErrorCode, b.ErrorMessage = orNil(l.Refused.Code.String()), &l.Refused.Message
		return b
	}
	b.Hash = orNil(l.Hash())
	return b
}

func exampleLine() payout.Line {
	p := examplePayoutRow()
	return payout.Line{
		Request: payout.Request{NodeID: p.NodeID, Amount: p.Amount, WalletAddress: p.WalletAddress, Priority: p.Priority}, Fee: p.Fee, NetAmount: p.NetAmount,
	}
}

func examplePlan() planBody {
	l := exampleLine()
	return shapePlan(payout.Plan{At: exampleTime(), Payouts: 1, Amount: l.Amount, Fees: l.Fee, Lines: []payout.Line{l}})
}

type executeLineBody struct {
	NodeID      string      `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	Amount      amountInput `json:"amount"`
	Priority    string      `json:"priority" enum:"urgent,high,normal,low"`
	ScheduledAt *instant    `json:"scheduled_at,omitempty"`
	Hash        string      `json:"hash" pattern:"^[0-9a-f]{64}$" patternDescription:"64 hexadecimal digits"`
}

type executeBody struct {
	Lines []executeLineBody `json:"lines" nullable:"false" minItems:"1" maxItems:"1000"`
}

func exampleExecuteLine() executeLineBody {
	l := exampleLine()
	return executeLineBody{NodeID: l.NodeID, Amount: amountInput{l.Amount.String()}, Priority: l.Priority, Hash: l.Hash()}
}

type executeInput struct {
	OnceInput
	Body executeBody
}

// Resolve reads the amounts.
func (in *executeInput) Resolve(huma.Context) (all []error) {
	for i, l := range in.Body.Lines {
		all = append(all, l.Amount.complaints("lines["+strconv.Itoa(i)+"].amount")...)
	}
	return all
}

func (s *server) executePayoutPlan(ctx context.Context, in *executeInput) (*answer[batchBody], error) {
	lines := shape(in.Body.Lines, func(l executeLineBody) payout.Planned {
		asked := PayoutRequestBody{Amount: l.Amount, Priority: l.Priority, ScheduledAt: l.ScheduledAt}
		return payout.Planned{Request: asked.request(l.NodeID), Hash: l.Hash}
	})
	return answeredBatch(s.Payouts.Execute(ctx, by(ctx), in.IdempotencyKey, lines))
}

type setBudgetBody struct {
	PerDay amountInput `json:"per_day" doc:"Gross, in any 24 hours."`
}

type setBudgetInput struct{ Body setBudgetBody }

// Resolve reads the amount.
func (in *setBudgetInput) Resolve(huma.Context) []error { return in.Body.PerDay.complaints("per_day") }

type budgetBody struct {
	PerDay     usdt       `json:"per_day" doc:"0: none is approved."`
	Spent      usdt       `json:"spent" doc:"By rounds in the last 24 hours."`
	ApprovedBy *string    `json:"approved_by"`
	ApprovedAt *time.Time `json:"approved_at"`
}

func (s *server) getPayoutBudget(ctx context.Context, _ *struct{}) (*answer[budgetBody], error) {
	return answeredBudget(s.Payouts.Budget(ctx))
}

func (s *server) setPayoutBudget(ctx context.Context, in *setBudgetInput) (*answer[budgetBody], error) {
	return answeredBudget(s.Payouts.SetBudget(ctx, person(ctx), in.Body.PerDay.amount()))
}

func answeredBudget(b payout.Budget, err error) (*answer[budgetBody], error) {
	if err != nil {
		return nil, err
	}
	return answered(shapeBudget(b))
}

func shapeBudget(b payout.Budget) budgetBody {
	return budgetBody{usdt(b.PerDay), usdt(b.Spent), orNil(b.ApprovedBy), orNil(b.ApprovedAt)}
}

func exampleBudget() budgetBody {
	return shapeBudget(payout.Budget{PerDay: ledger.USDT(500), Spent: ledger.USDT(30), ApprovedBy: "user_1b2c", ApprovedAt: exampleTime()})
}
