package coordinator

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
)

// Trouble with one thing that grows must not let the others grow.
func TestUpkeepGoesOnAfterAFailure(t *testing.T) {
	c := serving(t)
	ctx := t.Context()
	if _, err := c.DB.Exec(ctx, "ALTER TABLE dead_letter RENAME TO broken"); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(ctx, c.DB, func(tx db.Tx) error {
		old := event.Event{Kind: event.Pool, At: time.Now().Add(-48 * time.Hour), PoolID: "pool_old", Body: 1}
		return event.Publish(ctx, tx, old, event.Event{Kind: event.Pool, PoolID: "pool_new", Body: 2})
	})
	if err == nil {
		err = c.events.RunOnce(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.maintain(ctx); err == nil {
		t.Error("dead letters that cannot be trimmed are told to nobody")
	}
	var kept []string
	if err := c.DB.QueryRow(ctx, "SELECT array_agg(pool_id) FROM event WHERE pool_id IN ('pool_old', 'pool_new')").Scan(&kept); err != nil || len(kept) != 1 {
		t.Errorf("kept of an old event and a new one: %q %v", kept, err)
	}
}
