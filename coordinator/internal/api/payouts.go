package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func (s *server) payoutOperations() {
	register(s, operation{
		id: "listNodePayouts", method: http.MethodGet, path: basePath + "/nodes/{node_id}/payouts", collection: true, tag: "payouts",
		role: access.Viewer, owner: true, summary: "List a node's payouts", description: "Newest first. net_amount is amount less fee: what the owner gets. Also of a deleted node.",
		errors:  []fault.Code{fault.NodeNotFound},
		example: payoutListBody{Payouts: []payoutBody{examplePayout()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listNodePayouts)
	register(s, operation{
		id: "getPayout", method: http.MethodGet, path: basePath + "/nodes/payouts/{payout_id}", tag: "payouts", role: access.Viewer, owner: true,
		summary: "Read a payout", description: "wallet_address may change until payment begins: it goes to the address that counts then.",
		errors: []fault.Code{fault.PayoutNotFound}, example: examplePayout(),
	}, s.getPayout)
	register(s, operation{
		id: "listPayouts", method: http.MethodGet, path: basePath + "/nodes/payouts", collection: true, tag: "payouts", role: access.Viewer, owner: true,
		summary: "List payouts of all nodes", description: "Newest first. A credential that is bound to nodes sees theirs.",
		example: payoutListBody{Payouts: []payoutBody{examplePayout()}, Pagination: NumberCursorInput{Limit: 20}.next(0)},
	}, s.listPayouts)
	s.payoutCreateOperations()
	s.payoutPlanOperations()
	s.payoutStepOperations()
	s.payoutStatsOperations()
	s.payoutHaltOperations()
	s.payoutManualOperations()
	s.payoutFailureOperations()
	s.payoutAddressOperations()
}

func (s *server) getPayout(ctx context.Context, in *PayoutInput) (*answer[payoutBody], error) {
	p, err := s.Payouts.Get(ctx, in.PayoutID)
	if bound := callOf(ctx).principal.NodeIDs; err == nil && len(bound) > 0 && !slices.Contains(bound, p.NodeID) {
		err = fault.New(fault.PayoutNotFound, "no payout %s of the nodes that this credential is bound to", in.PayoutID)
	}
	return answeredPayout(p, err)
}

type payoutListInput struct {
	NodeInput
	PageInput
	Cursor string `query:"cursor" maxLength:"18" pattern:"^([1-9][0-9]{0,17})?$" patternDescription:"next_cursor of the page before" doc:"next_cursor of the page before, instead of page; status must stay as it was."`
	Status string `query:"status" enum:"pending,processing,completed,failed,cancelled" doc:"Only payouts in this status."`
}

type payoutListBody struct {
	Payouts    []payoutBody `json:"payouts" nullable:"false"`
	Pagination pagination   `json:"pagination"`
}

func (s *server) listNodePayouts(ctx context.Context, in *payoutListInput) (*answer[payoutListBody], error) {
	no, err := s.Nodes.NoOf(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	filter := payout.Filter{Status: payout.Status(in.Status), Offset: in.offset(), Limit: in.Limit}
	if in.Cursor != "" {
		filter.Before = number(in.Cursor)
		filter.Offset = 0
	}
	payouts, total, err := s.Payouts.List(ctx, no, filter)
	if err != nil {
		return nil, err
	}
	next, err := s.nextPayouts(ctx, no, filter, payouts)
	if err != nil {
		return nil, err
	}
	where := CursorInput{in.PageInput, in.Cursor}.of(total, next)
	return answered(payoutListBody{shape(payouts, shapePayout), where})
}

type allPayoutsInput struct {
	NumberCursorInput
	Status string `query:"status" enum:"pending,processing,completed,failed,cancelled" doc:"Only payouts in this status."`
}

func (s *server) listPayouts(ctx context.Context, in *allPayoutsInput) (*answer[payoutListBody], error) {
	filter := payout.Filter{Status: payout.Status(in.Status), Before: in.after(), Limit: in.Limit}
	payouts, next, err := s.Payouts.Newest(ctx, callOf(ctx).principal.NodeIDs, filter)
	if err != nil {
		return nil, err
	}
	return answered(payoutListBody{shape(payouts, shapePayout), in.next(next)})
}

// nextPayouts is the cursor of the page after the one that was read, "" when
// nothing follows.
func (s *server) nextPayouts(ctx context.Context, nodeNo int32, f payout.Filter, page []payout.Payout) (string, error) {
	if len(page) < f.Limit {
		return "", nil
	}
	last := page[len(page)-1].No
	following, _, err := s.Payouts.List(ctx, nodeNo, payout.Filter{Status: f.Status, Before: last, Limit: 1})
	if err != nil || len(following) == 0 {
		return "", err
	}
	return strconv.FormatInt(last, 10), nil
}

type payoutBody struct {
	PayoutID        string     `json:"payout_id"`
	NodeID          string     `json:"node_id"`
	Amount          usdt       `json:"amount"`
	Fee             usdt       `json:"fee"`
	NetAmount       usdt       `json:"net_amount"`
	Currency        string     `json:"currency" enum:"USDT"`
	WalletAddress   string     `json:"wallet_address"`
	Status          string     `json:"status" enum:"pending,processing,completed,failed,cancelled"`
	Priority        string     `json:"priority" enum:"urgent,high,normal,low"`
	Rail            *string    `json:"rail" doc:"manual or tron: by which it is paid; null until payment begins."`
	TransactionHash *string    `json:"transaction_hash"`
	BatchID         *string    `json:"batch_id"`
	ScheduledAt     *time.Time `json:"scheduled_at"`
	ProcessedAt     *time.Time `json:"processed_at"`
	CompletedAt     *time.Time `json:"completed_at"`
	ErrorMessage    *string    `json:"error_message"`
	RetryCount      int        `json:"retry_count"`
	MaxRetries      int        `json:"max_retries"`
	CreatedBy       string     `json:"created_by" doc:"Who asked for it; system for an automatic round."`
	NeedsApproval   bool       `json:"needs_approval"`
	ApprovedBy      *string    `json:"approved_by" doc:"The second person, where one is needed."`
	ApprovedAt      *time.Time `json:"approved_at"`
	CreatedAt       time.Time  `json:"created_at"`
	UpdatedAt       time.Time  `json:"updated_at"`
}

func shapePayout(p payout.Payout) payoutBody {
	return payoutBody{
		PayoutID: p.ID, NodeID: p.NodeID, Amount: usdt(p.Amount), Fee: usdt(p.Fee), NetAmount: usdt(p.NetAmount), Currency: p.Currency,
		WalletAddress: p.WalletAddress, Status: string(p.Status), Priority: p.Priority, Rail: orNil(string(p.Rail)), TransactionHash: p.TransactionHash, BatchID: p.BatchID,
		ScheduledAt: p.ScheduledAt, ProcessedAt: p.ProcessedAt, CompletedAt: p.CompletedAt, ErrorMessage: p.ErrorMessage,
		CreatedBy: p.CreatedBy, NeedsApproval: p.NeedsApproval, ApprovedBy: p.ApprovedBy, ApprovedAt: p.ApprovedAt,
		RetryCount: p.RetryCount, MaxRetries: p.MaxRetries, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func examplePayout() payoutBody { return shapePayout(examplePayoutRow()) }

func examplePayoutRow() payout.Payout {
	return payout.Payout{
		ID: "payout_9d2e", NodeID: "node_4f1c2a", Amount: ledger.USDT(10), Fee: ledger.USDT(1) / 10, NetAmount: ledger.USDT(99) / 10,
		Currency: "USDT", WalletAddress: "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", Status: payout.Pending, Priority: "normal", MaxRetries: 3,
		CreatedBy: "system", CreatedAt: exampleTime(), UpdatedAt: exampleTime(),
	}
}
