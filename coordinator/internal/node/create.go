package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/coordinator/internal/publicid"
	"lucid.internal/shared/wire"
)

// New describes a node to be created. Zero values are "not said".
type New struct {
	Name          string
	Type          string // default worker
	Hardware      wire.Inventory
	Location      *Location
	PoolID        string // joined at once
	Configuration *Configuration
	PayoutAddress string
	Labels        map[string]string
	Key           string // the caller's name for this request; "" for none
}

// Enrolment is a one-time token and its end.
type Enrolment struct {
	Token   string
	Expires time.Time
}

// Check tells every bad field at once.
func (n New) Check() error {
	var f findings
	f.name(n.Name)
	f.nodeType(n.Type)
	f.interfaces(n.Hardware.Interfaces)
	f.location(n.Location)
	f.configuration(n.Configuration)
	f.address(n.PayoutAddress)
	f.labels(n.Labels)
	return f.fault("the node cannot be made")
}

// Create makes a node that waits for its device, and the token by which the
// device becomes it. The same request under the same key again gives the same
// node and, since only its hash was kept, another token in place of the first.
func (s *Store) Create(ctx context.Context, by audit.By, n New) (Node, Enrolment, error) {
	if n.Type == "" {
		n.Type = "worker"
	}
	if err := n.Check(); err != nil {
		return Node{}, Enrolment{}, err
	}
	if err := s.fits(n.Configuration, n.Hardware.Model); err != nil {
		return Node{}, Enrolment{}, err
	}
	ref, err := creationOf(by, n)
	if err != nil {
		return Node{}, Enrolment{}, err
	}
	id, now := "", s.Now()
	enrolment := Enrolment{Expires: now.Add(DefaultTokenLife)}
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		made, again, err := ref.find(ctx, tx)
		id = made.NodeID
		switch {
		case err != nil:
			return err
		case again:
			err = sqlgen.New(tx).DropTokens(ctx, &made.NodeNo)
		default:
			id = publicid.New("node")
			made.NodeNo, err = s.createTx(ctx, tx, by, id, n, ref, now)
		}
		if err != nil {
			return err
		}
		enrolment.Token, err = insertToken(ctx, tx, by, Token{NodeNo: &made.NodeNo, Life: DefaultTokenLife}, now)
		return err
	})
	if err != nil {
		return Node{}, Enrolment{}, fmt.Errorf("create node %s: %w", n.Name, nameTaken(err, n.Name))
	}
	made, err := s.Get(ctx, id)
	if fault.Has(err, fault.NodeNotFound) {
		err = fault.New(fault.StateNotAllowed, "%s was made, and deleted by somebody else at once", id)
	}
	return made, enrolment, err
}

func (s *Store) createTx(ctx context.Context, tx db.Tx, by audit.By, id string, n New, ref creation, now time.Time) (int32, error) {
	no, err := s.insertPending(ctx, tx, id, n, ref, now)
	if err != nil {
		return 0, err
	}
	c := Changed{Change: changedCreated, Status: Pending}
	if err := event.Publish(ctx, tx, c.event(id, n.PoolID, now)); err != nil {
		return 0, err
	}
	after := profile{
		Name: n.Name, Type: n.Type, Status: Pending, PoolID: n.PoolID, PayoutAddress: n.PayoutAddress,
		Location: orZero(n.Location), Configuration: orZero(n.Configuration), Labels: n.Labels,
	}
	return no, audit.Write(ctx, tx, by.Record("node.create", id, nil, after).AtTime(now))
}

func (s *Store) insertPending(ctx context.Context, tx db.Tx, id string, n New, ref creation, now time.Time) (int32, error) {
	d, err := encode(n.Hardware, orZero(n.Location), orZero(n.Configuration), nonNil(n.Labels))
	if err != nil {
		return 0, err
	}
	q := sqlgen.New(tx)
	no, err := q.InsertPending(ctx, sqlgen.InsertPendingParams{
		NodeID: id, Name: n.Name, NodeType: n.Type, Inventory: d[0], PayoutAddress: n.PayoutAddress,
		Location: d[1], Configuration: d[2], Labels: d[3],
		CreationKey: ref.key, CreationInput: ref.input, At: now,
	})
	if err != nil {
		return 0, err
	}
	wanted := profile{Configuration: orZero(n.Configuration), Labels: n.Labels}
	err = errors.Join(newConfig(ctx, q, no, profile{Labels: n.Labels}, wanted, now),
		q.FirstConfig(ctx, sqlgen.FirstConfigParams{NodeNo: no, AtMs: now.UnixMilli()}))
	if err != nil {
		return 0, err
	}
	if err := q.InsertState(ctx, sqlgen.InsertStateParams{NodeNo: no, Status: string(Pending), Reason: "", FromAt: now}); err != nil {
		return 0, err
	}
	if n.PoolID == "" {
		return no, nil
	}
	poolNo, err := poolNo(ctx, q, n.PoolID)
	if err != nil {
		return 0, err
	}
	return no, s.Join(ctx, tx, poolNo, no, now)
}

func poolNo(ctx context.Context, q *sqlgen.Queries, poolID string) (int32, error) {
	no, err := q.PoolNo(ctx, poolID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.PoolNotFound, "no pool %s", poolID)
	}
	return no, err
}

// nameTaken makes a fault of what the index on names refused.
func nameTaken(err error, name string) error {
	if db.Constraint(err) == "node_name_live" {
		return fault.New(fault.NameTaken, "a node named %q exists already", name)
	}
	return err
}

// profile is what an operator says of a node: what the audit log shows before
// and after a change.
type profile struct {
	Name          string            `json:"name"`
	Type          string            `json:"node_type"`
	Status        Status            `json:"status"`
	StatusReason  string            `json:"status_reason,omitempty"`
	StatusUntil   *time.Time        `json:"status_until,omitempty"`
	PoolID        string            `json:"pool_id,omitempty"`
	PayoutAddress string            `json:"payout_address,omitempty"`
	Location      Location          `json:"location,omitzero"`
	Configuration Configuration     `json:"configuration,omitzero"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// encode gives values as the database keeps them.
func encode(values ...any) ([][]byte, error) {
	list := make([][]byte, len(values))
	for i, v := range values {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		list[i] = raw
	}
	return list, nil
}

func orZero[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// nonNil: no labels are {} in the database, not null.
func nonNil(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}
