package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

const (
	eventInterval   = 250 * time.Millisecond // how late readers hear of what is committed
	forwardInterval = time.Second            // after a failure
)

// onStored shows a sample to whoever looks at the moment.
func (c *Coordinator) onStored(nodeID string, s *wire.Sample) {
	c.observer.Sample(nodeID, s)
	c.events.Sample(nodeID, time.UnixMilli(s.AtMs), s)
}

// forwardEvents publishes what happens over MQTT. Only the leader does it: no
// other has an open broker.
func (c *Coordinator) forwardEvents(ctx context.Context) error {
	select {
	case <-c.serving:
	case <-ctx.Done():
		return nil
	}
	err := c.events.Forward(ctx, c.publishEvent)
	if errors.Is(err, event.ErrClosed) { // we are stopping
		return nil
	}
	return err
}

// publishEvent reaches who is connected now; who must miss nothing reads the
// API's stream, which can be resumed.
func (c *Coordinator) publishEvent(m event.Message) {
	payload, err := json.Marshal(m)
	if err == nil {
		err = c.broker.Publish(wire.EventTopic(string(m.Kind)), payload, 1, false)
	}
	if m.Kind == event.Node && node.IsDeleted(m.Body) {
		err = errors.Join(err, c.broker.Forget(m.NodeID))
	}
	if err != nil {
		c.Log.Debug("event not published over MQTT", "event_no", m.No, "error", err)
	}
}
