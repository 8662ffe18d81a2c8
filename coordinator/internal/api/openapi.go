package api

import (
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/statement"
	"lucid.internal/coordinator/internal/webhook"
)

// Document is the OpenAPI 3.0 document without a server that answers: what
// clients are generated from. The operations are declared, never called.
func Document() ([]byte, error) {
	s, err := newServer(Config{
		Access: new(access.Store), Nodes: new(node.Store), Pools: new(pool.Store),
		Samples: new(sample.Store), Alerts: new(alert.Store), Webhooks: new(webhook.Store),
		Scores: new(score.Store), Proofs: challenge.NewDesk(challenge.DeskConfig{}),
		Epochs: new(epoch.Store), Statements: new(statement.Archive), Payouts: new(payout.Store), Fraud: new(fraud.Store),
		Manual: new(manual.Store),
		Audit:  new(audit.Log), Events: new(event.Feed),
		EnrolFile: func(string, time.Time) string { return "" },
	})
	if err != nil {
		return nil, err
	}
	return downgrade(s.huma.OpenAPI())
}
