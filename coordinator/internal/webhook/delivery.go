package webhook

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/webhook/sqlgen"
)

// Delivery is one message to a webhook, and how far it came.
type Delivery struct {
	MessageID string
	State     string // open, delivered or failed
	Attempts  int
	Status    *int // of the newest answer
	LastError string
	CreatedAt time.Time
	EndedAt   *time.Time
}

// Deliveries lists a page of a webhook's messages, newest first, and how many
// are kept.
func (s *Store) Deliveries(ctx context.Context, id string, limit, offset int) ([]Delivery, int, error) {
	list, total, err := s.deliveries(ctx, sqlgen.New(s.cfg.Pool), id, limit, offset)
	if err != nil {
		return nil, 0, fmt.Errorf("deliveries of %s: %w", id, err)
	}
	return list, total, nil
}

func (s *Store) deliveries(ctx context.Context, q *sqlgen.Queries, id string, limit, offset int) ([]Delivery, int, error) {
	if live, err := q.IsLive(ctx, id); err != nil {
		return nil, 0, err
	} else if !live {
		return nil, 0, unknown(id)
	}
	total, err := q.CountDeliveries(ctx, id)
	if err != nil {
		return nil, 0, err
	}
	rows, err := q.Deliveries(ctx, sqlgen.DeliveriesParams{WebhookID: id, Most: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, err
	}
	list := make([]Delivery, len(rows))
	for i, r := range rows {
		list[i] = Delivery{
			MessageID: r.MessageID, State: r.State, Attempts: int(r.Attempts), LastError: r.LastError, CreatedAt: r.CreatedAt, EndedAt: r.EndedAt,
		}
		if r.Status != nil {
			code := int(*r.Status)
			list[i].Status = &code
		}
	}
	return list, int(total), nil
}
