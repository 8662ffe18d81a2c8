package coordinator_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/shared/wire"
)

// TestEventExamples holds that docs/events.md shows every kind of event as the
// Go types write it.
func TestEventExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	answered, usage := int32(212), 12.5
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	back, _ := fraud.RuleByID("boot_time_back")
	for no, e := range []event.Event{
		{Kind: event.Node, Body: node.Changed{Change: "status", Status: node.Active, Reason: "proven", Before: node.Starting, Online: true}},
		{Kind: event.Proof, Body: challenge.Judged{
			ChallengeID: "018e0000-0000-7000-8000-00000000002a", Result: challenge.Valid, AnsweredMs: &answered, RuleVersion: challenge.RuleVersion,
		}},
		{Kind: event.Score, Body: score.Changed{Before: 987_000_000, After: 987_654_321, Verdicts: 200, Reason: "valid"}},
		{Kind: event.Payout, Body: epoch.Earned{
			Change: "earned", Share: ledger.Amount(1_250_000), Payable: ledger.Amount(9_750_000), EpochEnd: at,
		}},
		{Kind: event.Payout, Body: epoch.Released{Change: "released", Amount: ledger.Amount(3_000_000)}},
		{Kind: event.Payout, Body: payout.Changed{
			Change: payout.Pending, PayoutID: "payout_7c9e", Amount: ledger.USDT(10), Fee: ledger.Amount(100_000), NetAmount: ledger.Amount(9_900_000),
		}},
		{Kind: event.Pool, Body: pool.Changed{Change: "created", Name: "home", MaxNodes: 100, RewardPerEpoch: ledger.USDT(5)}},
		{Kind: event.Alert, Body: alert.Changed{
			Change: alert.Fired, AlertID: "alert_17", Kind: alert.Temperature, State: alert.Firing, Severity: alert.Warning, Value: 77.9, Threshold: 75, Unit: alert.Celsius,
			Summary: "processor at 77.9 °C, threshold 75.0 °C", StartedAt: at.Add(-5 * time.Minute), FiredAt: &at,
		}},
		{Kind: event.Fraud, Body: fraud.Changed{Change: "flagged", FlagID: "flag_12", Rule: back.ID, Layer: &back.Layer, Severity: back.Severity, Summary: back.Summary}},
		{Kind: event.Fraud, Body: fraud.Changed{Change: "held", Summary: "20 USDT are held until its flags are decided"}},
		{Kind: event.Payout, Body: payout.Halted{Change: "halted", HaltNo: 3, Reason: "the bank called"}},
		{Kind: event.Node, Body: node.Stranger{Change: "intrusion", TokenID: "token_00112233aabbccdd", Reason: "a token came from a board that it does not name"}},
		{Kind: event.Sample, Body: wire.Sample{Seq: 17, AtMs: at.UnixMilli(), CPU: &wire.CPU{UsagePercent: &usage, Cores: 4, LoadAverage: [3]float64{0.4, 0.3, 0.2}}}},
	} {
		m := event.Message{V: 1, No: int64(4711 + no), Kind: e.Kind, At: at, NodeID: "node_4f1c2a", PoolID: "pool_home"}
		switch e.Body.(type) {
		case pool.Changed:
			m.NodeID = ""
		case payout.Halted, node.Stranger:
			m.NodeID, m.PoolID = "", ""
		case wire.Sample:
			m.No, m.PoolID = 0, ""
		}
		if m.Body, err = json.Marshal(e.Body); err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "\n"+string(line)+"\n") {
			t.Errorf("docs/events.md has no such line:\n%s", line)
		}
		if topic := wire.EventTopic(string(e.Kind)); e.Kind != event.Sample && !strings.Contains(string(page), "`"+topic+"`") {
			t.Errorf("docs/events.md does not name the topic %s", topic)
		}
	}
}
