package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
)

func (s *server) statementOperations() {
	register(s, operation{
		id: "getStatement", method: http.MethodGet, path: basePath + "/nodes/{node_id}/statements", tag: "payouts", role: access.Viewer, owner: true,
		summary: "Read a node's statement",
		description: "What it earned in each closed epoch that overlaps the span of time, the first closed first, with the evidence from which every figure can be " +
			"recomputed: share = pool_reward x weight / pool_weight, rounded down, or one micro-USDT more. score, factors and weights are in the " +
			"units of the rules, where a score of 1000000000 is 100 points. ledger_head is the last entry of the ledger: keep it, and a ledger that is written anew shows. " +
			"As CSV a page says in its Link header where the next one is. Also of a deleted node.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleStatement(), csv: exampleStatementCSV(),
	}, s.getStatement)
}

type statementInput struct {
	NodeInput
	StartTime time.Time           `query:"start_time" doc:"Beginning; without it that of the network."`
	EndTime   optional[time.Time] `query:"end_time" doc:"End, exclusive; without it now."`
	Format    string              `query:"format" enum:"json,csv" default:"json" doc:"Of the answer."`
	NumberCursorInput
}

func (in *statementInput) span(now time.Time) span.Interval {
	s := span.Interval{From: in.StartTime, To: now}
	given(&s.To, in.EndTime.pointer())
	return s
}

// Resolve asks the noun.
func (in *statementInput) Resolve(h huma.Context) []error {
	return complaints("query", statement.Check(in.span(serverOf(h).Now())))
}

type statementBody struct {
	NodeID     string              `json:"node_id"`
	LedgerHead ledgerHeadBody      `json:"ledger_head"`
	Lines      []statementLineBody `json:"lines" nullable:"false"`
	Pagination pagination          `json:"pagination"`
}

type ledgerHeadBody struct {
	EntryNo int64      `json:"entry_no" doc:"0 when there is no entry yet."`
	Hash    string     `json:"hash" doc:"SHA-256, in hex, of the entry and all before it."`
	At      *time.Time `json:"at" doc:"null when there is no entry yet."`
}

type statementLineBody struct {
	PoolID       string         `json:"pool_id"`
	StartsAt     time.Time      `json:"starts_at"`
	EndsAt       time.Time      `json:"ends_at"`
	PoolReward   usdt           `json:"pool_reward" doc:"Shared by all nodes of the pool."`
	PoolWeight   string         `json:"pool_weight" doc:"Sum of all their weights: an integer, which may need more than 64 bits."`
	MemberMs     int64          `json:"member_ms" doc:"Time in the pool."`
	CreditedMs   int64          `json:"credited_ms" doc:"Of it active and connected."`
	Score        int64          `json:"score" doc:"As of the epoch's end."`
	Factors      jsonObject     `json:"factors" doc:"What the score was made of, and the counters behind it; null without a verdict by then."`
	Weight       int64          `json:"weight" doc:"score x credited_ms."`
	Share        usdt           `json:"share"`
	Destination  string         `json:"destination" enum:"payable,held"`
	Reasons      []string       `json:"reasons" nullable:"false" doc:"As in the node's earnings."`
	FaultWindows []intervalBody `json:"fault_windows" nullable:"false" doc:"When we were down, within the epoch and around it."`
	EntryID      *string        `json:"entry_id" format:"uuid" doc:"Of the ledger; null when the pool had no reward."`
	Evidence     evidenceBody   `json:"evidence"`
}

type intervalBody struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"Exclusive; after all that was looked at when it had not ended."`
}

type stateBody struct {
	Status string    `json:"status"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

type evidenceBody struct {
	Membership []intervalBody `json:"membership" nullable:"false" doc:"When it was in the pool."`
	Presence   []intervalBody `json:"presence" nullable:"false" doc:"When it was connected."`
	States     []stateBody    `json:"states" nullable:"false"`
	Score      jsonObject     `json:"score" doc:"What was known when the epoch began, as before, and each verdict that was counted until it ended, as since."`
	Vetted     bool           `json:"vetted"`
	Held       bool           `json:"held" doc:"Under suspicion."`
	Left       *usdt          `json:"left" nullable:"true" doc:"What it could still earn that day; null where that cut nothing."`
}

// getStatement answers in two forms, so it writes its answer itself.
func (s *server) getStatement(ctx context.Context, in *statementInput) (*huma.StreamResponse, error) {
	no, err := s.Nodes.NoOf(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	page, err := s.Statements.OfNode(ctx, no, in.NodeID, in.span(s.Now()), in.after(), in.Limit)
	if err != nil {
		return nil, err
	}
	if in.Format == "csv" {
		return statementCSV(page)
	}
	body, err := shapeStatement(page, in.next(page.Next))
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", "application/json")
		if err := s.huma.Marshal(h.BodyWriter(), "application/json", body); err != nil {
			panic(err) // as huma does
		}
	}}, err
}

// statementCSV makes the page before anything is sent.
func statementCSV(page statement.OfNode) (*huma.StreamResponse, error) {
	var table bytes.Buffer
	if err := page.WriteCSV(&table); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", "text/csv; charset=utf-8")
		if page.Next != 0 {
			h.SetHeader("Link", "<"+onwardURL(h.URL(), page.Next)+`>; rel="next"`)
		}
		_, _ = h.BodyWriter().Write(table.Bytes()) // who went away needs no answer
	}}, nil
}

// onwardURL is the same page's address with another cursor.
func onwardURL(u url.URL, next int64) string {
	query := u.Query()
	query.Set("cursor", strconv.FormatInt(next, 10))
	return u.Path + "?" + query.Encode()
}

func shapeStatement(of statement.OfNode, where pagination) (statementBody, error) {
	b := statementBody{
		NodeID: of.NodeID, LedgerHead: ledgerHeadBody{EntryNo: of.Head.No, Hash: of.Head.Hash, At: orNil(of.Head.At)},
		Lines: make([]statementLineBody, len(of.Lines)), Pagination: where,
	}
	for i, l := range of.Lines {
		trail, err := json.Marshal(l.Evidence.Trail)
		if err != nil {
			return statementBody{}, err
		}
		b.Lines[i] = shapeStatementLine(l)
		b.Lines[i].Evidence.Score = jsonObject{trail}
	}
	return b, nil
}

func shapeStatementLine(l statement.AccountLine) statementLineBody {
	b := statementLineBody{
		PoolID: l.PoolID, StartsAt: l.StartsAt, EndsAt: l.EndsAt, PoolReward: usdt(l.PoolReward), PoolWeight: l.PoolWeight,
		MemberMs: l.MemberMs, CreditedMs: l.CreditedMs, Score: l.ScoreNano, Factors: jsonObject{l.Factors}, Weight: l.Weight, Share: usdt(l.Share),
		Destination: l.Destination, Reasons: append([]string{}, l.Reasons...), FaultWindows: shape(l.Faults, shapeInterval),
		Evidence: evidenceBody{
			Membership: shape(l.Evidence.Membership, shapeInterval), Presence: shape(l.Evidence.Presence, shapeInterval),
			States: shape(l.Evidence.States, func(s statement.State) stateBody { return stateBody{s.Status, s.From, s.To} }),
			Vetted: l.Evidence.Vetted, Held: l.Evidence.Held, Left: (*usdt)(l.Evidence.Left),
		},
	}
	if l.EntryID != nil {
		b.EntryID = orNil(l.EntryID.String())
	}
	return b
}

func shapeInterval(i statement.Interval) intervalBody { return intervalBody(i) }
