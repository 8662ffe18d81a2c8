package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/broker"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

const (
	summaryInterval = 3 * time.Second // how often at most a pool's summary is published
	readerInterval  = 5 * time.Second // how long a connection outlives its API key or its grants
)

// summaries publishes how the pools are, retained, whenever it changes. It is
// for one goroutine of the leader.
type summaries struct {
	read    func(context.Context) ([]pool.Summary, error)
	deleted func(context.Context) ([]string, error) // ids of pools
	publish func(topic string, payload []byte, qos byte, retain bool) error
	told    map[string]pool.Summary
}

// RunOnce publishes what changed since the last time, and takes back the
// summaries of pools that are gone. What could not be published is tried again.
func (s *summaries) RunOnce(ctx context.Context) error {
	now, err := s.read(ctx)
	if err != nil {
		return err
	}
	if s.told == nil {
		if err := s.sweep(ctx); err != nil {
			return err
		}
		s.told = map[string]pool.Summary{}
	}
	live := make(map[string]bool, len(now))
	for _, p := range now {
		live[p.PoolID] = true
		if before, known := s.told[p.PoolID]; known && p.Same(before) {
			continue
		}
		payload, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if err := s.publish(wire.PoolSummaryTopic(p.PoolID), payload, 1, true); err != nil {
			return fmt.Errorf("summary of %s: %w", p.PoolID, err)
		}
		s.told[p.PoolID] = p
	}
	for id := range s.told {
		if live[id] {
			continue
		}
		if err := s.takeBack(id); err != nil {
			return err
		}
		delete(s.told, id)
	}
	return nil
}

// sweep takes back what a leader before this one may have left at a broker that
// is not its own: it ended before it took back what was deleted, or a pool was
// deleted while nobody led.
func (s *summaries) sweep(ctx context.Context) error {
	ids, err := s.deleted(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.takeBack(id); err != nil {
			return err
		}
	}
	return nil
}

func (s *summaries) takeBack(poolID string) error {
	if err := s.publish(wire.PoolSummaryTopic(poolID), nil, 1, true); err != nil { // an empty retained message removes it
		return fmt.Errorf("take back the summary of %s: %w", poolID, err)
	}
	return nil
}

func (c *Coordinator) publishSummaries() func(context.Context) error {
	s := &summaries{read: c.Pools.Summaries, deleted: c.Pools.Deleted, publish: c.broker.Publish}
	return c.whileServing(s.RunOnce)
}

// whileServing leaves a work to a later time while the broker is not open:
// before that nothing can be published.
func (c *Coordinator) whileServing(runOnce func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-c.serving:
			return runOnce(ctx)
		default:
			return nil
		}
	}
}

// checkReaders closes the connections of integrations that may not read any
// more what they could. Another broker has its own rules.
func (c *Coordinator) checkReaders(ctx context.Context) error {
	if own, ok := c.broker.(*broker.Broker); ok {
		return own.CheckReaders(ctx, c.Access.ReaderFilters)
	}
	return nil
}
