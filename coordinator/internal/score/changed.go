package score

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/score/sqlgen"
)

// Changed is the body of a score event.
type Changed struct {
	Before   Points `json:"before"`
	After    Points `json:"after"`
	Verdicts int64  `json:"verdicts" doc:"How many the score counts."`
	Reason   string `json:"reason" doc:"The verdict that changed it."`
}

// Points is a score at 1e-9, told as a number from 0 to 100.
type Points int64

// MarshalJSON writes the exact decimal.
func (p Points) MarshalJSON() ([]byte, error) {
	const one = One / 100
	return fmt.Appendf(nil, "%d.%07d", int64(p)/one, int64(p)%one), nil
}

func publish(ctx context.Context, tx db.Tx, nodeNo int32, c Changed, at time.Time) error {
	ids, err := sqlgen.New(tx).NodeIDs(ctx, nodeNo)
	if err != nil {
		return err
	}
	return event.Publish(ctx, tx, event.Event{Kind: event.Score, NodeID: ids.NodeID, PoolID: ids.PoolID, Body: c, At: at})
}
