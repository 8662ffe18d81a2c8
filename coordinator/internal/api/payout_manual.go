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
	"lucid.internal/coordinator/internal/manual"
)

func (s *server) payoutManualOperations() {
	register(s, operation{
		id: "exportPayouts", method: http.MethodPost, path: basePath + "/nodes/payouts/exports", tag: "payouts", role: access.Operator, money: true,
		status: http.StatusCreated, summary: "Take payouts to be paid by hand",
		description: "The next ones of the queue, which are processing from then on. csv is a file for whoever pays: the same bytes each time the export is read.",
		errors:      []fault.Code{fault.StateNotAllowed, fault.IdempotencyReuse}, request: newExportBody{100}, example: exampleExport(),
	}, s.exportPayouts)
	register(s, operation{
		id: "getPayoutExport", method: http.MethodGet, path: basePath + "/nodes/payouts/exports/{export_id}", tag: "payouts", role: access.Viewer,
		summary: "Read an export again", description: "As it was, whatever became of its payouts.", errors: []fault.Code{fault.OtherNotFound, fault.StateNotAllowed}, example: exampleExport(),
	}, s.getPayoutExport)
	register(s, operation{
		id: "completePayout", method: http.MethodPost, path: basePath + "/nodes/payouts/{payout_id}/complete", tag: "payouts", role: access.Operator, money: true,
		summary: "Record what paid a payout", description: "Of one that is paid by hand. A transaction pays one payout.",
		errors: []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed}, request: completeBody{"c0ffee"}, example: examplePayout(),
	}, s.completePayout)
	register(s, operation{
		id: "reconcilePayouts", method: http.MethodPost, path: basePath + "/nodes/payouts/reconcile", tag: "payouts", role: access.Operator, money: true,
		summary: "Hold the wallet's list against the payouts",
		description: "Each outgoing transfer is matched with the oldest payout of its address and net amount that is paid by hand. With record, those that " +
			"match are recorded, each by itself; without, nothing changes.",
		errors: []fault.Code{fault.PayoutNotFound, fault.StateNotAllowed}, request: reconcileBody{Transfers: []transferBody{exampleTransfer()}, Record: true}, example: exampleReconciliation(),
	}, s.reconcilePayouts)
}

type newExportBody struct {
	Limit int `json:"limit,omitempty" minimum:"1" maximum:"1000" default:"1000" doc:"Payouts at most."`
}

type exportInput struct {
	OnceInput
	Body newExportBody
}

type exportBody struct {
	ExportID  string           `json:"export_id"`
	CreatedBy string           `json:"created_by"`
	CreatedAt time.Time        `json:"created_at"`
	Total     int              `json:"total"`
	Amount    usdt             `json:"amount" doc:"Net, of all lines: what it takes to pay them."`
	Lines     []exportLineBody `json:"lines" nullable:"false"`
	CSV       string           `json:"csv"`
}

type exportLineBody struct {
	PayoutID      string `json:"payout_id"`
	NodeID        string `json:"node_id"`
	WalletAddress string `json:"wallet_address"`
	NetAmount     usdt   `json:"net_amount"`
}

func (s *server) exportPayouts(ctx context.Context, in *exportInput) (*answer[exportBody], error) {
	return answeredExport(s.Manual.Export(ctx, by(ctx), in.IdempotencyKey, in.Body.Limit))
}

type exportIDInput struct {
	ExportID string `path:"export_id" pattern:"^export_[a-zA-Z0-9_-]+$" patternDescription:"an export's id" maxLength:"64" example:"export_5a2b" doc:"Id of the export."`
}

func (s *server) getPayoutExport(ctx context.Context, in *exportIDInput) (*answer[exportBody], error) {
	return answeredExport(s.Manual.Read(ctx, in.ExportID))
}

func answeredExport(e manual.Export, err error) (*answer[exportBody], error) {
	if err != nil {
		return nil, err
	}
	return answered(shapeExport(e))
}

func shapeExport(e manual.Export) exportBody {
	b := exportBody{ExportID: e.ID, CreatedBy: e.CreatedBy, CreatedAt: e.CreatedAt, Total: len(e.Lines), Lines: shape(e.Lines, shapeExportLine), CSV: string(e.CSV())}
	for _, l := range e.Lines {
		b.Amount += usdt(l.NetAmount)
	}
	return b
}

func shapeExportLine(l manual.Line) exportLineBody {
	return exportLineBody{l.PayoutID, l.NodeID, l.WalletAddress, usdt(l.NetAmount)}
}

func exampleExportLine() manual.Line {
	p := examplePayoutRow()
	return manual.Line{PayoutID: p.ID, NodeID: p.NodeID, WalletAddress: p.WalletAddress, NetAmount: p.NetAmount, Amount: p.Amount, Fee: p.Fee}
}

func exampleExport() exportBody {
	return shapeExport(manual.Export{ID: "export_5a2b", CreatedBy: "user_1b2c", CreatedAt: exampleTime(), Version: 2, Lines: []manual.Line{exampleExportLine()}})
}

type completeBody struct {
	TransactionHash string `json:"transaction_hash" minLength:"6" maxLength:"128" pattern:"^[A-Za-z0-9_.:/#-]*$" patternDescription:"letters, digits and -_.:/#" doc:"The transaction's id, 64 hexadecimal digits in any case, or another reference of the transfer, which holds a digit."`
}

type completeInput struct {
	PayoutInput
	Body completeBody
}

func (s *server) completePayout(ctx context.Context, in *completeInput) (*answer[payoutBody], error) {
	return answeredPayout(s.Payouts.Complete(ctx, by(ctx), in.PayoutID, in.Body.TransactionHash))
}

type transferBody struct {
	TransactionHash string      `json:"transaction_hash" minLength:"6" maxLength:"128" pattern:"^[A-Za-z0-9_.:/#-]*$" patternDescription:"letters, digits and -_.:/#" doc:"The transaction's id, 64 hexadecimal digits in any case, or another reference of the transfer, which holds a digit."`
	WalletAddress   string      `json:"wallet_address" maxLength:"64"`
	Amount          amountInput `json:"amount"`
}

type reconcileBody struct {
	Transfers []transferBody `json:"transfers" nullable:"false" minItems:"1" maxItems:"5000"`
	Record    bool           `json:"record,omitempty"`
}

type reconcileInput struct{ Body reconcileBody }

// Resolve reads the amounts.
func (in *reconcileInput) Resolve(huma.Context) (all []error) {
	for i, t := range in.Body.Transfers {
		all = append(all, t.Amount.complaints("transfers["+strconv.Itoa(i)+"].amount")...)
	}
	return all
}

type reconciliationBody struct {
	Matches []matchBody      `json:"matches" nullable:"false" doc:"In the order of the transfers."`
	Unpaid  []exportLineBody `json:"unpaid" nullable:"false" doc:"Being paid by hand, and no transfer of the list pays them."`
}

type matchBody struct {
	TransactionHash string  `json:"transaction_hash"`
	WalletAddress   string  `json:"wallet_address"`
	Amount          usdt    `json:"amount"`
	Result          string  `json:"result" enum:"matched,recorded,differs,unknown,repeated" doc:"matched: it pays a payout that is being paid. recorded: that is on record. differs: it is on record otherwise. unknown: no payout explains it. repeated: it stands in the list before."`
	PayoutID        *string `json:"payout_id"`
	Note            *string `json:"note"`
}

func shapeMatch(m manual.Match) matchBody {
	return matchBody{m.TransactionHash, m.WalletAddress, usdt(m.Amount), string(m.Result), orNil(m.PayoutID), orNil(m.Note)}
}

func (s *server) reconcilePayouts(ctx context.Context, in *reconcileInput) (*answer[reconciliationBody], error) {
	transfers := shape(in.Body.Transfers, func(t transferBody) manual.Transfer {
		return manual.Transfer{TransactionHash: t.TransactionHash, WalletAddress: t.WalletAddress, Amount: t.Amount.amount()}
	})
	r, err := s.Manual.Reconcile(ctx, by(ctx), transfers, in.Body.Record)
	if err != nil {
		return nil, err
	}
	return answered(reconciliationBody{shape(r.Matches, shapeMatch), shape(r.Unpaid, shapeExportLine)})
}

func exampleTransfer() transferBody {
	return transferBody{"c0ffee", "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", amountInput{"9.9"}}
}

func exampleReconciliation() reconciliationBody {
	t := manual.Transfer{TransactionHash: "c0ffee", WalletAddress: "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ", Amount: ledger.USDT(99) / 10}
	return reconciliationBody{[]matchBody{shapeMatch(manual.Match{Transfer: t, Result: manual.Recorded, PayoutID: "payout_9d2e"})}, []exportLineBody{}}
}
