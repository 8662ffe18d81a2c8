package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud"
)

func (s *server) fraudOperations() {
	list := flagListBody{Flags: []flagBody{shapeFlag(exampleFlag())}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)}
	register(s, operation{
		id: "listFlags", method: http.MethodGet, path: basePath + "/fraud/flags", collection: true, tag: "fraud", role: access.Viewer,
		summary: "List flags of fraud", description: "Newest first, with the evidence that each rule went by. docs/fraud.md tells of the rules, and what holds money.",
		example: list,
	}, s.listFlags)
	register(s, operation{
		id: "listNodeFlags", method: http.MethodGet, path: basePath + "/nodes/{node_id}/fraud/flags", tag: "fraud", role: access.Viewer, owner: true,
		summary: "List a node's flags", description: "Newest first. Also of a deleted node, whose money they may hold.", errors: []fault.Code{fault.NodeNotFound}, example: list,
	}, s.listNodeFlags)
	register(s, operation{
		id: "appealFlag", method: http.MethodPost, path: basePath + "/nodes/{node_id}/fraud/flags/{flag_id}/appeal", tag: "fraud", role: access.Operator, owner: true,
		summary: "Appeal against a flag", description: "Once, by the node's owner or an operator. It changes nothing by itself: an admin decides. Also of a deleted node.",
		errors:  []fault.Code{fault.NodeNotFound, fault.OtherNotFound, fault.StateNotAllowed},
		request: appealBody{Text: "the card was moved to another board on Sunday"}, example: shapeFlag(exampleFlag()),
	}, s.appealFlag)
	register(s, operation{
		id: "decideFlag", method: http.MethodPost, path: basePath + "/fraud/flags/{flag_id}/decision", tag: "fraud", role: access.Admin, money: true,
		summary: "Decide a flag",
		description: "For good. dismissed: the flag supports no hold any more, nor do a daily rule's earlier ones, and the node's money is released when no " +
			"other does, unless the node is still vetted. A later flag of the rule stays open: who looked at this one has not read it. confirmed: what the " +
			"node has goes back to the pools that it came from, the node is suspended, and its other open flags are settled alike.",
		errors:  []fault.Code{fault.OtherNotFound, fault.StateNotAllowed},
		request: decisionBody{Decision: string(fraud.Dismissed), Reason: "the owner showed both boards"}, example: shapeFlag(exampleFlag()),
	}, s.decideFlag)
}

// FlagInput is what both lists of flags take.
type FlagInput struct {
	PageInput
	Rule     string `query:"rule" pattern:"^[a-z_]{1,40}$" patternDescription:"a rule's id" doc:"Only flags of this rule."`
	Severity string `query:"severity" enum:"notice,warning,critical" doc:"Only flags of this severity."`
	State    string `query:"state" enum:"open,appealed,dismissed,confirmed" doc:"Only flags in this state."`
}

func (in FlagInput) filter(nodeID string) fraud.Filter {
	return fraud.Filter{
		NodeID: nodeID, Rule: in.Rule, Severity: fraud.Severity(in.Severity), State: fraud.State(in.State), Offset: in.offset(), Limit: in.Limit,
	}
}

type flagListInput struct {
	FlagInput
	NodeID string `query:"node_id" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" doc:"Only flags of this node."`
}

type nodeFlagsInput struct {
	NodeInput
	FlagInput
}

type flagListBody struct {
	Flags      []flagBody `json:"flags" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

type flagBody struct {
	FlagID      string     `json:"flag_id"`
	NodeID      string     `json:"node_id"`
	NodeName    string     `json:"node_name"`
	PoolID      *string    `json:"pool_id" doc:"Where the node is now; null outside a pool."`
	Rule        string     `json:"rule"`
	RuleVersion int        `json:"rule_version"`
	Layer       int        `json:"layer" minimum:"0" maximum:"5" doc:"0 crypto, 1 identity, 2 plausibility, 3 relations, 4 statistics, 5 economics."`
	Severity    string     `json:"severity" enum:"notice,warning,critical"`
	Summary     string     `json:"summary"`
	Evidence    jsonObject `json:"evidence" doc:"What the rule went by; its shape is the rule's."`
	At          time.Time  `json:"at" doc:"Of the evidence."`
	FoundAt     time.Time  `json:"found_at"`
	State       string     `json:"state" enum:"open,appealed,dismissed,confirmed"`
	Appeal      *string    `json:"appeal"`
	AppealedBy  *string    `json:"appealed_by"`
	AppealedAt  *time.Time `json:"appealed_at"`
	Reason      *string    `json:"reason" doc:"Of the decision."`
	DecidedBy   *string    `json:"decided_by"`
	DecidedAt   *time.Time `json:"decided_at"`
}

func (s *server) listFlags(ctx context.Context, in *flagListInput) (*answer[flagListBody], error) {
	return s.answerFlags(ctx, in.filter(in.NodeID), in.PageInput)
}

func (s *server) listNodeFlags(ctx context.Context, in *nodeFlagsInput) (*answer[flagListBody], error) {
	if _, err := s.Nodes.NoOf(ctx, in.NodeID); err != nil {
		return nil, err
	}
	return s.answerFlags(ctx, in.filter(in.NodeID), in.PageInput)
}

func (s *server) answerFlags(ctx context.Context, f fraud.Filter, page PageInput) (*answer[flagListBody], error) {
	flags, total, err := s.Fraud.List(ctx, f)
	if err != nil {
		return nil, err
	}
	return answered(flagListBody{shape(flags, shapeFlag), page.of(total)})
}

type appealBody struct {
	Text string `json:"text" minLength:"1" maxLength:"2000" pattern:"^[^\\x00-\\x09\\x0b-\\x1f]*$" patternDescription:"text" doc:"What speaks against the flag."`
}

type appealInput struct {
	NodeInput
	FlagID string `path:"flag_id" pattern:"^flag_[0-9]{1,18}$" patternDescription:"a flag's id" maxLength:"64" example:"flag_12" doc:"Id of the flag."`
	Body   appealBody
}

func (s *server) appealFlag(ctx context.Context, in *appealInput) (*answer[flagBody], error) {
	if _, err := s.Nodes.NoOf(ctx, in.NodeID); err != nil {
		return nil, err
	}
	f, err := s.Fraud.Appeal(ctx, by(ctx), in.NodeID, in.FlagID, in.Body.Text)
	if err != nil {
		return nil, err
	}
	return answered(shapeFlag(f))
}

type decisionBody struct {
	Decision string `json:"decision" enum:"dismissed,confirmed"`
	Reason   string `json:"reason" minLength:"1" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Why; the owner reads it."`
}

type decisionInput struct {
	FlagID string `path:"flag_id" pattern:"^flag_[0-9]{1,18}$" patternDescription:"a flag's id" maxLength:"64" example:"flag_12" doc:"Id of the flag."`
	Body   decisionBody
}

func (s *server) decideFlag(ctx context.Context, in *decisionInput) (*answer[flagBody], error) {
	f, err := s.Fraud.Decide(ctx, by(ctx), in.FlagID, fraud.Decision(in.Body.Decision), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return answered(shapeFlag(f))
}

func shapeFlag(f fraud.Flag) flagBody {
	return flagBody{
		FlagID: f.ID(), NodeID: f.NodeID, NodeName: f.NodeName, PoolID: orNil(f.PoolID), Rule: f.Rule.ID, RuleVersion: f.Rule.Version,
		Layer: int(f.Rule.Layer), Severity: string(f.Rule.Severity), Summary: f.Rule.Summary, Evidence: jsonObject{f.Evidence}, At: f.At, FoundAt: f.FoundAt,
		State: string(f.State), Appeal: f.Appeal, AppealedBy: f.AppealedBy, AppealedAt: f.AppealedAt, Reason: f.Reason,
		DecidedBy: f.DecidedBy, DecidedAt: f.DecidedAt,
	}
}

func exampleFlag() fraud.Flag {
	at := exampleTime()
	rule, _ := fraud.RuleByID("boot_time_back")
	return fraud.Flag{
		No: 12, NodeID: "node_4f1c2a", NodeName: "attic-pi", PoolID: "pool_default", Rule: rule, At: at, FoundAt: at.Add(5 * time.Second), State: fraud.Open,
		Evidence: json.RawMessage(`{"boot": "6f1c0000000000000000000000000000", "before_ms": 86400000, "now_ms": 60000}`),
	}
}
