package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/shared/wire"
)

const headInterval = 10 * time.Second // how late an hour's head is told

// ledgerHead publishes where the ledger's chain ended, retained, once an hour.
// What is due is what the table says, so a successor goes on where the leader
// was killed; as the embedded broker forgets what it retained, it tells the
// last publication again, byte for byte. It is for one goroutine of the leader.
type ledgerHead struct {
	last    func(context.Context) (ledger.Publication, error)
	publish func(topic string, payload []byte, qos byte, retain bool) error
	told    time.Time // the hour that was published here last
}

// RunOnce publishes what was not published here yet. What could not be
// published is tried again.
func (h *ledgerHead) RunOnce(ctx context.Context) error {
	p, err := h.last(ctx)
	if err != nil || p.Hour.Equal(h.told) {
		return err
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := h.publish(wire.LedgerHeadTopic, payload, 1, true); err != nil {
		return fmt.Errorf("publish the ledger's head of %s: %w", p.Hour.Format(time.RFC3339), err)
	}
	h.told = p.Hour
	return nil
}

func (c *Coordinator) publishLedgerHead() func(context.Context) error {
	h := &ledgerHead{
		last:    func(ctx context.Context) (ledger.Publication, error) { return ledger.Publish(ctx, c.DB, c.now()) },
		publish: c.broker.Publish,
	}
	return c.whileServing(h.RunOnce)
}
