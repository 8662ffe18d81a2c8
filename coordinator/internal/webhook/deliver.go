package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/publicid"
	"lucid.internal/coordinator/internal/webhook/sqlgen"
)

const (
	alertsInMessage = 100
	atOnce          = 8               // endpoints that are told at the same time
	turn            = 5 * time.Second // after which an endpoint's next message waits for the next RunOnce
	keptDeliveries  = 30 * 24 * time.Hour
	forgetAtOnce    = 1000
)

// Message is what a webhook gets. Fields are only added.
type Message struct {
	V         int       `json:"v"`
	Type      string    `json:"type"` // alerts or test
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// Data is what a message tells.
type Data struct {
	Alerts []Alert `json:"alerts"`
}

// Alert is how an alert stands, in a message.
type Alert struct {
	AlertID    string         `json:"alert_id"`
	NodeID     string         `json:"node_id"`
	NodeName   string         `json:"node_name"`
	PoolID     string         `json:"pool_id,omitempty"`
	Kind       alert.Kind     `json:"kind"`
	State      alert.State    `json:"state"`
	Severity   alert.Severity `json:"severity"`
	Value      float64        `json:"value"`
	Threshold  float64        `json:"threshold"`
	Unit       alert.Unit     `json:"unit"`
	Detail     string         `json:"detail,omitempty"`
	Summary    string         `json:"summary"`
	StartedAt  time.Time      `json:"started_at"`
	FiredAt    *time.Time     `json:"fired_at,omitempty"`
	ResolvedAt *time.Time     `json:"resolved_at,omitempty"`
	EndReason  string         `json:"end_reason,omitempty"`
}

func alertOf(a alert.Alert) Alert {
	return Alert{
		AlertID: a.ID(), NodeID: a.NodeID, NodeName: a.NodeName, PoolID: a.PoolID, Kind: a.Kind, State: a.State, Severity: a.Severity,
		Value: a.Value, Threshold: a.Threshold, Unit: a.Kind.Unit(), Detail: a.Detail, Summary: a.Summary(), StartedAt: a.StartedAt, FiredAt: a.FiredAt,
		ResolvedAt: a.ResolvedAt, EndReason: a.EndReason,
	}
}

// Enqueue stores, within the caller's transaction, what each webhook is to be
// told of these alerts.
func (s *Store) Enqueue(ctx context.Context, tx db.Tx, alerts []alert.Alert) error {
	q := sqlgen.New(tx)
	receivers, err := q.Receivers(ctx)
	if err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	for _, r := range receivers {
		var list []Alert
		for _, a := range alerts {
			if selects(r.Kinds, alert.Severity(r.MinSeverity), a) {
				list = append(list, alertOf(a))
			}
		}
		for some := range slices.Chunk(list, alertsInMessage) {
			if err := s.enqueue(ctx, q, r.WebhookID, "alerts", some); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) enqueue(ctx context.Context, q *sqlgen.Queries, id, kind string, alerts []Alert) error {
	now := s.now()
	body, err := json.Marshal(Message{V: 1, Type: kind, Timestamp: now, Data: Data{alerts}})
	if err != nil {
		return err
	}
	err = q.InsertDelivery(ctx, sqlgen.InsertDeliveryParams{MessageID: publicid.New("msg"), WebhookID: id, CreatedAt: now, Body: body})
	if err != nil {
		return fmt.Errorf("store a delivery for %s: %w", id, err)
	}
	return nil
}

// Test sends a message of type test, without alerts, to a webhook.
func (s *Store) Test(ctx context.Context, by audit.By, id string) error {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		row, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		if Type(row.Type) == Alertmanager {
			return fault.New(fault.StateNotAllowed, "%s is an Alertmanager: it is told every minute how things stand, and succeeded_at says when it last took it", id)
		}
		if err := s.enqueue(ctx, q, id, "test", []Alert{}); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("webhook.test", id, nil, nil))
	})
	if err != nil {
		return fmt.Errorf("test webhook %s: %w", id, err)
	}
	return nil
}

// RunOnce tells every endpoint what there is to tell. It is for one goroutine
// of the leader.
func (s *Store) RunOnce(ctx context.Context) error {
	q := sqlgen.New(s.cfg.Pool)
	due, err := q.Due(ctx, s.now())
	if err != nil {
		return fmt.Errorf("look for deliveries: %w", err)
	}
	var mu sync.Mutex
	var errs []error
	var sending sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, w := range due {
		free <- struct{}{}
		sending.Go(func() {
			defer func() { <-free }()
			if err := s.serve(ctx, w); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("webhook %s: %w", w.WebhookID, err))
			}
		})
	}
	sending.Wait()
	forget := sqlgen.ForgetParams{Before: s.now().Add(-keptDeliveries), Most: forgetAtOnce}
	return errors.Join(append(errs, q.Forget(ctx, forget))...)
}

// serve tells one endpoint. An error is ours; that of an endpoint is recorded.
func (s *Store) serve(ctx context.Context, w sqlgen.Webhook) error {
	if Type(w.Type) == Alertmanager {
		return s.push(ctx, w)
	}
	secret, err := s.cfg.Box.Open(w.SecretBox, place(w.WebhookID))
	if err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < turn; {
		more, err := s.deliver(ctx, w, secret)
		if err != nil || !more {
			return err
		}
		w.Failures = 0
	}
	return nil
}

// deliver sends the oldest message, and tells whether to go on. The next one
// waits until this one is delivered or given up, so that order stays.
func (s *Store) deliver(ctx context.Context, w sqlgen.Webhook, secret []byte) (more bool, err error) {
	d, err := sqlgen.New(s.cfg.Pool).Oldest(ctx, w.WebhookID)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	at := s.now()
	status, problem := s.post(ctx, w.Url, map[string]string{
		"webhook-id": d.MessageID, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": sign(secret, d.MessageID, at, d.Body),
	}, d.Body)
	if ctx.Err() != nil { // we are stopping: nothing is known of the attempt
		return false, nil
	}
	result := judge(status, at.Sub(d.CreatedAt))
	return result == delivered || result == refused, s.record(ctx, w, d.DeliveryNo, result, status, problem)
}

// record notes how an attempt ended, unless another coordinator made one too, and
// its end is noted already.
func (s *Store) record(ctx context.Context, w sqlgen.Webhook, deliveryNo int64, result verdict, status int, problem string) error {
	now := s.now()
	var answered *int32
	if status != 0 {
		code := int32(status)
		answered = &code
	}
	return db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if result == again {
			open, err := q.RetryDelivery(ctx, sqlgen.RetryDeliveryParams{DeliveryNo: deliveryNo, Status: answered, LastError: problem})
			if err != nil || open == 0 {
				return err
			}
			return s.failed(ctx, q, w, problem, now)
		}
		state := map[verdict]string{delivered: "delivered", refused: "failed", expired: "failed"}[result]
		end := sqlgen.EndDeliveryParams{DeliveryNo: deliveryNo, State: state, Status: answered, LastError: problem, At: now}
		if open, err := q.EndDelivery(ctx, end); err != nil || open == 0 {
			return err
		}
		switch result {
		case expired:
			return s.expire(ctx, q, w, problem, now)
		case refused:
			s.cfg.Logger.Warn("a delivery is given up", "webhook_id", w.WebhookID, "problem", problem)
			return q.Failed(ctx, sqlgen.FailedParams{WebhookID: w.WebhookID, LastError: problem, At: now, NextAt: now})
		}
		return q.Succeeded(ctx, sqlgen.SucceededParams{WebhookID: w.WebhookID, At: now, NextAt: now})
	})
}

// expire gives up everything that is too old, so that a receiver that fails is
// not asked once for each.
func (s *Store) expire(ctx context.Context, q *sqlgen.Queries, w sqlgen.Webhook, problem string, now time.Time) error {
	others, err := q.ExpireDeliveries(ctx, sqlgen.ExpireDeliveriesParams{
		WebhookID: w.WebhookID, LastError: problem, At: now, MadeBefore: now.Add(-giveUp),
	})
	if err != nil {
		return err
	}
	s.cfg.Logger.Warn("deliveries are given up", "webhook_id", w.WebhookID, "deliveries", others+1, "problem", problem)
	return s.failed(ctx, q, w, problem, now)
}

func (s *Store) failed(ctx context.Context, q *sqlgen.Queries, w sqlgen.Webhook, problem string, now time.Time) error {
	pause := wait(int(w.Failures)+1, rand.Float64())
	return q.Failed(ctx, sqlgen.FailedParams{WebhookID: w.WebhookID, LastError: problem, At: now, NextAt: now.Add(pause)})
}
