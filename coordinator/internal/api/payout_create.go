package api

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// refusals are the codes of a payout that cannot be made.
func refusals(more ...fault.Code) []fault.Code {
	return append(more, fault.NodeNotFound, fault.BelowMinimum, fault.BalanceTooSmall, fault.BadPayoutAddress, fault.Held,
		fault.StateNotAllowed, fault.IdempotencyReuse)
}

func (s *server) payoutCreateOperations() {
	register(s, operation{
		id: "createPayout", method: http.MethodPost, path: basePath + "/nodes/{node_id}/payouts", collection: true, tag: "payouts",
		role: access.Operator, money: true, status: http.StatusCreated, summary: "Make a payout",
		description: "Sets the amount aside at once and waits as pending for its turn, and for its time where one is given. From 1 USDT; " +
			"from a sum that counts what the caller asked for in 24 hours, a second person must approve. A node has one live payout.",
		errors: refusals(), request: PayoutRequestBody{Amount: amountInput{"10.5"}, Currency: "USDT", Priority: "high"}, example: examplePayout(),
	}, s.createPayout)
	register(s, operation{
		id: "createPayoutBatch", method: http.MethodPost, path: basePath + "/nodes/payouts/batch", tag: "payouts", role: access.Operator, money: true,
		status: http.StatusAccepted, summary: "Make many payouts",
		description: "All or none: one bad line refuses the batch, and details names every bad one. From then on each payout goes its own way.",
		errors:      refusals(), request: exampleBatchRequest(), example: exampleBatch(),
	}, s.createPayoutBatch)
	register(s, operation{
		id: "getPayoutBatch", method: http.MethodGet, path: basePath + "/nodes/payouts/batch/{batch_id}", tag: "payouts", role: access.Viewer,
		summary: "Read a batch", description: "Its status follows from its payouts.", errors: []fault.Code{fault.PayoutNotFound}, example: exampleBatch(),
	}, s.getPayoutBatch)
}

// amountInput is an amount that comes in: a number or a string with one. What
// it says is read by its input's Resolve, which names the field.
type amountInput struct{ text string }

// UnmarshalJSON keeps the digits as they came, which a float would not.
func (a *amountInput) UnmarshalJSON(text []byte) error {
	a.text = strings.Trim(string(text), `"`)
	return nil
}

// MarshalJSON writes them again.
func (a amountInput) MarshalJSON() ([]byte, error) { return []byte(cmp.Or(a.text, "null")), nil }

// Schema is a number or a string; clients make a decimal of it.
func (amountInput) Schema(huma.Registry) *huma.Schema {
	most := 40
	return &huma.Schema{
		OneOf:       []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString, MaxLength: &most}},
		Description: "USDT with at most six decimals, as plain digits.", Extensions: exactNumber(),
	}
}

// amount is what was asked for; a text that is none is 0, which the complaints
// are about.
func (a amountInput) amount() ledger.Amount {
	amount, _ := ledger.Parse(a.text)
	return amount
}

// complaints are about a field with an amount that is none.
func (a amountInput) complaints(field string) []error {
	if _, err := ledger.Parse(a.text); err != nil {
		return []error{complaint{"body", fault.Field{Name: field, Reason: err.Error()}, fault.Validation}}
	}
	return nil
}

// OnceInput is the header of every call that makes something of money.
type OnceInput struct {
	IdempotencyKey string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"128" pattern:"^[ -~]*$" patternDescription:"printable ASCII" doc:"A text of your own for this request. The same request with it again makes nothing more and answers what the first one made; another request with it is refused."`
}

// PayoutRequestBody asks for a payout of a node. It is exported since huma looks
// into exported embedded fields only.
type PayoutRequestBody struct {
	Amount        amountInput `json:"amount" doc:"Gross; the fee is taken from it."`
	Currency      string      `json:"currency" enum:"USDT"`
	WalletAddress string      `json:"wallet_address,omitempty" maxLength:"64" doc:"If given, it must be the address that counts for the node now."`
	Priority      string      `json:"priority,omitempty" enum:"urgent,high,normal,low" doc:"normal without it."`
	ScheduledAt   *instant    `json:"scheduled_at,omitempty" doc:"Not paid before."`
}

func (b PayoutRequestBody) request(nodeID string) payout.Request {
	r := payout.Request{NodeID: nodeID, Amount: b.Amount.amount(), WalletAddress: b.WalletAddress, Priority: b.Priority, ScheduledAt: b.ScheduledAt.pointer()}
	if r.ScheduledAt != nil {
		at := r.ScheduledAt.UTC().Truncate(time.Microsecond) // as the database keeps it
		r.ScheduledAt = &at
	}
	return r
}

type batchRequestBody struct {
	NodeID string `json:"node_id" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	PayoutRequestBody
}

type newBatchBody struct {
	PayoutRequests []batchRequestBody `json:"payout_requests" nullable:"false" minItems:"1" maxItems:"1000"`
}

func exampleBatchRequest() newBatchBody {
	return newBatchBody{[]batchRequestBody{{"node_4f1c2a", PayoutRequestBody{Amount: amountInput{"10.5"}, Currency: "USDT"}}}}
}

func (b newBatchBody) requests() []payout.Request {
	return shape(b.PayoutRequests, func(r batchRequestBody) payout.Request { return r.request(r.NodeID) })
}

func (b newBatchBody) complaints() (all []error) {
	for i, r := range b.PayoutRequests {
		all = append(all, r.Amount.complaints("payout_requests["+strconv.Itoa(i)+"].amount")...)
	}
	return all
}

type createPayoutInput struct {
	NodeInput
	OnceInput
	Body PayoutRequestBody
}

// Resolve reads the amount.
func (in *createPayoutInput) Resolve(huma.Context) []error {
	return in.Body.Amount.complaints("amount")
}

func (s *server) createPayout(ctx context.Context, in *createPayoutInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Payouts.Create(ctx, by(ctx), in.IdempotencyKey, in.Body.request(in.NodeID)))
}

func answeredPayout(p payout.Payout, err error) (*answer[payoutBody], error) {
	if err != nil {
		return nil, err
	}
	return answered(shapePayout(p))
}

type createBatchInput struct {
	OnceInput
	Body newBatchBody
}

// Resolve reads the amounts.
func (in *createBatchInput) Resolve(huma.Context) []error { return in.Body.complaints() }

func (s *server) createPayoutBatch(ctx context.Context, in *createBatchInput) (*answer[batchBody], error) {
	return answeredBatch(s.Payouts.CreateBatch(ctx, by(ctx), in.IdempotencyKey, in.Body.requests()))
}

// BatchInput names a batch.
type BatchInput struct {
	BatchID string `path:"batch_id" pattern:"^batch_[a-zA-Z0-9_-]+$" patternDescription:"a batch's id" maxLength:"64" example:"batch_7c9e" doc:"Id of the batch."`
}

func (s *server) getPayoutBatch(ctx context.Context, in *BatchInput) (*answer[batchBody], error) {
	return answeredBatch(s.Payouts.Batch(ctx, in.BatchID))
}

type batchBody struct {
	BatchID     string        `json:"batch_id"`
	Status      string        `json:"status" enum:"pending,processing,completed,partially_completed,failed,cancelled"`
	Total       int           `json:"total" doc:"Payouts in it."`
	TotalAmount usdt          `json:"total_amount"`
	TotalFees   usdt          `json:"total_fees"`
	CreatedBy   string        `json:"created_by"`
	CreatedAt   time.Time     `json:"created_at"`
	Payouts     []payoutBody  `json:"payouts" nullable:"false"`
	Dropped     []droppedBody `json:"dropped" nullable:"false" doc:"Lines of an executed plan that were left out, since they would do something else now."`
}

type droppedBody struct {
	NodeID string `json:"node_id"`
	Reason string `json:"reason"`
}

func answeredBatch(b payout.Batch, err error) (*answer[batchBody], error) {
	if err != nil {
		return nil, err
	}
	return answered(shapeBatch(b))
}

func shapeBatch(b payout.Batch) batchBody {
	body := batchBody{
		BatchID: b.ID, Status: string(b.Status()), Total: len(b.Payouts), CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt,
		Payouts: shape(b.Payouts, shapePayout), Dropped: shape(b.Dropped, func(d payout.Dropped) droppedBody { return droppedBody(d) }),
	}
	for _, p := range b.Payouts {
		body.TotalAmount += usdt(p.Amount)
		body.TotalFees += usdt(p.Fee)
	}
	return body
}

func exampleBatch() batchBody {
	return shapeBatch(payout.Batch{
		ID: "batch_7c9e", CreatedBy: "user_1b2c", CreatedAt: exampleTime(), Payouts: []payout.Payout{examplePayoutRow()},
		Dropped: []payout.Dropped{{NodeID: "node_9e8d", Reason: "LUCID_ERR_4308: node_9e8d is held: nothing is paid to it until that is decided"}},
	})
}
