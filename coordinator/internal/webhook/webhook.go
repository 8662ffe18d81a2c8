// Package webhook owns how alerts reach other programs over HTTP: endpoints,
// signed deliveries that are tried again, and Alertmanagers.
//
// It must never lose what it was given to deliver, follow a redirect, or let an
// endpoint lead it to the addresses that a cloud keeps for itself. It decides
// nothing about alerts.
package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/publicid"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/coordinator/internal/webhook/sqlgen"
)

// Type is how an endpoint is told.
type Type string

// The types: signed messages of our own, or Alertmanager's API.
const (
	Signed       Type = "webhook"
	Alertmanager Type = "alertmanager"
)

// Endpoint is where alerts are sent, without its secret.
type Endpoint struct {
	ID          string // hook_...
	Type        Type
	URL         string
	Kinds       []alert.Kind // empty: all
	MinSeverity alert.Severity
	CreatedAt   time.Time
	SucceededAt *time.Time
	FailedAt    *time.Time
	Failures    int    // in a row
	LastError   string // "" without one
}

// New describes an endpoint to be made.
type New struct {
	Type        Type
	URL         string
	Kinds       []alert.Kind
	MinSeverity alert.Severity // "": warning
}

// Config of a Store. Pool and Box are required.
type Config struct {
	Pool           *db.Pool
	Box            *seal.Box
	AllowLinkLocal bool   // also to the addresses that clouds keep for themselves
	Source         string // URL of this API, for whoever wants to know more
	Version        string // of this program
	Now            func() time.Time
	Logger         *slog.Logger
}

// Store keeps endpoints and deliveries, and delivers.
type Store struct {
	cfg    Config
	client *http.Client
	// pushLimit bounds all that an Alertmanager is told at once: others wait.
	pushLimit time.Duration
}

// NewStore makes a Store.
func NewStore(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{cfg: c, client: newClient(c.AllowLinkLocal), pushLimit: timeLimit}
}

func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

const (
	secretMark  = "whsec_"
	secretBytes = 32
	mostLive    = 100
)

func (s *Store) check(n New) (bad []fault.Field) {
	field := func(name, format string, args ...any) {
		bad = append(bad, fault.Field{Name: name, Reason: fmt.Sprintf(format, args...)})
	}
	if n.Type != Signed && n.Type != Alertmanager {
		field("type", "must be webhook or alertmanager")
	}
	u, err := url.Parse(n.URL)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		field("url", "must be http:// or https:// with a host")
	case u.User != nil, u.Fragment != "":
		field("url", "must hold neither user, password nor fragment")
	default:
		if address, err := netip.ParseAddr(u.Hostname()); err == nil && !allowed(address, s.cfg.AllowLinkLocal) {
			field("url", "%s is not an address that webhooks may reach", address)
		}
	}
	for _, k := range n.Kinds {
		if !k.Valid() {
			field("kinds", "%q is not one of %v", k, alert.Kinds())
		}
	}
	if n.MinSeverity != alert.Warning && n.MinSeverity != alert.Critical {
		field("min_severity", "must be warning or critical")
	}
	return bad
}

// Create makes an endpoint. secret is what its messages are signed with; it
// cannot be shown again and is "" for an Alertmanager.
func (s *Store) Create(ctx context.Context, by audit.By, n New) (e Endpoint, secret string, err error) {
	if n.MinSeverity == "" {
		n.MinSeverity = alert.Warning
	}
	if bad := s.check(n); len(bad) > 0 {
		return Endpoint{}, "", fault.New(fault.Validation, "the webhook cannot be made; see details").WithFields(bad...)
	}
	e = Endpoint{ID: publicid.New("hook"), Type: n.Type, URL: n.URL, Kinds: n.Kinds, MinSeverity: n.MinSeverity, CreatedAt: s.now()}
	var box []byte
	if n.Type == Signed {
		key := make([]byte, secretBytes)
		_, _ = rand.Read(key) // crypto/rand.Read never fails since Go 1.24
		secret = secretMark + base64.StdEncoding.EncodeToString(key)
		box = s.cfg.Box.Seal(key, place(e.ID))
	}
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if total, err := q.CountLive(ctx); err != nil {
			return err
		} else if total >= mostLive {
			return fault.New(fault.StateNotAllowed, "there are %d webhooks already; delete one first", total)
		}
		err := q.Insert(ctx, sqlgen.InsertParams{
			WebhookID: e.ID, Type: string(e.Type), Url: e.URL, Kinds: texts(e.Kinds), MinSeverity: string(e.MinSeverity), SecretBox: box, At: e.CreatedAt,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("webhook.create", e.ID, nil, e.record()))
	})
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("make webhook: %w", err)
	}
	return e, secret, nil
}

// record is what the audit log keeps. Who holds a URL may hold a secret: many
// services put one there.
func (e Endpoint) record() map[string]any {
	host := ""
	if u, err := url.Parse(e.URL); err == nil {
		host = u.Scheme + "://" + u.Host
	}
	return map[string]any{"type": e.Type, "host": host, "kinds": texts(e.Kinds), "min_severity": e.MinSeverity}
}

// place binds a secret to its row.
func place(id string) []byte { return []byte("webhook/" + id) }

// SealedTable is where this package keeps what it seals.
func SealedTable() seal.Table {
	return seal.Table{Name: "webhook", Box: "secret_box", Additional: "'webhook/' || t.webhook_id"}
}

// Delete ends an endpoint; what was not delivered never will be.
func (s *Store) Delete(ctx context.Context, by audit.By, id string) error {
	now := s.now()
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		row, err := lock(ctx, q, id)
		if err != nil {
			return err
		}
		if err := q.Delete(ctx, sqlgen.DeleteParams{WebhookID: id, At: now}); err != nil {
			return err
		}
		if err := q.AbandonDeliveries(ctx, sqlgen.AbandonDeliveriesParams{WebhookID: id, At: now}); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("webhook.delete", id, endpointOf(row).record(), nil))
	})
	if err != nil {
		return fmt.Errorf("delete webhook %s: %w", id, err)
	}
	return nil
}

func lock(ctx context.Context, q *sqlgen.Queries, id string) (sqlgen.Webhook, error) {
	row, err := q.Lock(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, unknown(id)
	}
	return row, err
}

func unknown(id string) error { return fault.New(fault.OtherNotFound, "no webhook %s", id) }

// List gives a page of endpoints, newest first, and how many there are.
func (s *Store) List(ctx context.Context, limit, offset int) ([]Endpoint, int, error) {
	q := sqlgen.New(s.cfg.Pool)
	total, err := q.CountLive(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("count webhooks: %w", err)
	}
	rows, err := q.Live(ctx, sqlgen.LiveParams{Most: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("list webhooks: %w", err)
	}
	list := make([]Endpoint, len(rows))
	for i, r := range rows {
		list[i] = endpointOf(r)
	}
	return list, int(total), nil
}

func endpointOf(r sqlgen.Webhook) Endpoint {
	kinds := make([]alert.Kind, len(r.Kinds))
	for i, k := range r.Kinds {
		kinds[i] = alert.Kind(k)
	}
	return Endpoint{
		ID: r.WebhookID, Type: Type(r.Type), URL: r.Url, Kinds: kinds, MinSeverity: alert.Severity(r.MinSeverity), CreatedAt: r.CreatedAt,
		SucceededAt: r.SucceededAt, FailedAt: r.FailedAt, Failures: int(r.Failures), LastError: r.LastError,
	}
}

func texts(kinds []alert.Kind) []string {
	list := make([]string, 0, len(kinds))
	for _, k := range kinds {
		list = append(list, string(k))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
