package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/statement"
)

// exampleOfNode is half of a pool's reward, by half of its weight.
func exampleOfNode() statement.OfNode {
	from, to := exampleTime(), exampleTime().Add(time.Hour)
	hour := []statement.Interval{{From: from, To: to}}
	prompt, entry := int64(990_000_000), uuid.MustParse("018e0000-0000-7000-8000-000000000002")
	return statement.OfNode{
		NodeID: "node_4f1c2a",
		Head:   ledger.Head{No: 4711, Hash: "5d0f0f1d5f0c9bd1e1e7b5c4a3928170f6e5d4c3b2a1908f7e6d5c4b3a291807", At: to.Add(2 * time.Minute)},
		Lines: []statement.AccountLine{{
			Line: statement.Line{
				PoolID: "pool_default", NodeID: "node_4f1c2a", StartsAt: from, EndsAt: to, MemberMs: 3_600_000, CreditedMs: 3_600_000, ScoreNano: score.One,
				Factors: json.RawMessage(`{"reputation":1000000000,"timeliness":1000000000,"availability":1000000000,"quality":1000000000}`),
				Weight:  score.One * 3_600_000, Share: 750_000, Destination: epoch.DestinationPayable,
				Evidence: statement.Evidence{
					Membership: hour, Presence: hour, States: []statement.State{{Status: "active", Interval: hour[0]}}, Vetted: true,
					Trail: score.Trail{Since: []score.Counted{{
						No: 12, Availability: score.One, Judged: score.Judged{Result: score.Valid, At: from.Add(7 * time.Minute), Prompt: &prompt},
					}}},
				},
			},
			PoolReward: ledger.USDT(3) / 2, PoolWeight: "7200000000000000", EntryID: &entry,
		}},
	}
}

func exampleStatement() statementBody {
	b, err := shapeStatement(exampleOfNode(), NumberCursorInput{Limit: 20}.next(0))
	if err != nil {
		panic(err) // the example above is all that is shaped here
	}
	return b
}

func exampleStatementCSV() string {
	var table bytes.Buffer
	if err := exampleOfNode().WriteCSV(&table); err != nil {
		panic(err) // as above
	}
	return table.String()
}
