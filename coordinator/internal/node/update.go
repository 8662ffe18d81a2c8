package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// Update says what to change. Nil leaves a thing as it is.
type Update struct {
	IfVersions    []int64 // the versions that the caller wants to change, any of them; none: whatever it is
	Name          *string
	Type          *string
	PoolID        *string // "" leaves the pool
	Status        *Status // Maintenance, Inactive or Suspended
	Reason        *string // why; required with Maintenance and Suspended, only with Status
	Until         *time.Time
	Location      *Location
	Configuration *Configuration
	PayoutAddress *string // "" takes it away
	Labels        map[string]string
}

// Check tells every bad field at once, for an update that is made now.
func (u Update) Check(now time.Time) error {
	var f findings
	if u.Name != nil {
		f.name(*u.Name)
	}
	if u.Type != nil {
		f.nodeType(*u.Type)
	}
	u.checkStatus(&f, now)
	f.location(u.Location)
	f.configuration(u.Configuration)
	if u.PayoutAddress != nil {
		f.address(*u.PayoutAddress)
	}
	f.labels(u.Labels)
	return f.fault("the node cannot be changed")
}

func (u Update) checkStatus(f *findings, now time.Time) {
	if u.Status == nil {
		if u.Reason != nil {
			f.add("status_reason", "says why a status is set: give status too")
		}
		if u.Until != nil {
			f.add("status_until", "says when a status ends: give status too")
		}
		return
	}
	ends := *u.Status == Maintenance || *u.Status == Suspended
	if !ends && *u.Status != Inactive {
		f.add("status", "must be maintenance, inactive or suspended; start and stop do the rest")
	}
	if u.Reason != nil {
		f.text("status_reason", *u.Reason, maxReasonText)
	}
	if ends && (u.Reason == nil || *u.Reason == "") {
		f.add("status_reason", "is required with %s", *u.Status)
	}
	if u.Until != nil && *u.Status == Inactive {
		f.add("status_until", "belongs to maintenance and suspended only")
	}
	if u.Until != nil && (!u.Until.After(now) || u.Until.UTC().Year() > 9999) { // which JSON cannot show
		f.add("status_until", "must be in the future, and not after the year 9999")
	}
}

// standing is what the update makes of the status; nil when it says nothing.
func (u Update) standing() *standing {
	if u.Status == nil {
		return nil
	}
	s := standing{status: *u.Status, reason: orZero(u.Reason)}
	if s.status == Suspended {
		s.reason = SuspendedByOperator + s.reason
	}
	if u.Until != nil {
		until := u.Until.UTC().Truncate(time.Microsecond)
		s.until = &until
	}
	return &s
}

// Update changes a node.
func (s *Store) Update(ctx context.Context, by audit.By, nodeID string, u Update) (Node, error) {
	now := s.Now()
	if err := u.Check(now); err != nil {
		return Node{}, err
	}
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		row, before, err := lock(ctx, tx, nodeID, u.IfVersions)
		if err != nil {
			return err
		}
		if err := s.fits(u.Configuration, row.Model); err != nil {
			return err
		}
		after := u.applied(before)
		if err := s.store(ctx, tx, row, before, after, now); err != nil {
			return err
		}
		if to := u.standing(); to != nil {
			if err := setByHand(ctx, tx, row, *to, now); err != nil {
				return err
			}
			after.Status, after.StatusReason, after.StatusUntil = to.status, to.reason, to.until
		}
		c := Changed{Change: changedUpdated, Status: after.Status, Reason: after.StatusReason, Online: row.Online}
		if err := event.Publish(ctx, tx, c.event(nodeID, after.PoolID, now)); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("node.update", nodeID, before, after).AtTime(now))
	})
	if err != nil {
		return Node{}, fmt.Errorf("update %s: %w", nodeID, nameTaken(err, orZero(u.Name)))
	}
	// What does not reach the node now, RunOnce beside its broker sends.
	_ = s.sendConfigs(ctx)
	return s.Get(ctx, nodeID)
}

// lock reads a node's profile and keeps it from changing until the transaction
// ends. A version that is none of the caller's is refused.
func lock(ctx context.Context, tx db.Tx, nodeID string, ifVersions []int64) (sqlgen.LockNodeRow, profile, error) {
	row, err := sqlgen.New(tx).LockNode(ctx, nodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, profile{}, fault.New(fault.NodeNotFound, "no node %s", nodeID)
	} else if err != nil {
		return row, profile{}, err
	}
	if len(ifVersions) > 0 && !slices.Contains(ifVersions, row.Version) {
		return row, profile{}, fault.New(fault.ChangedMeanwhile, "%s changed since you read it: it is at version %d now; read it again", nodeID, row.Version)
	}
	p := profile{
		Name: row.Name, Type: row.NodeType, Status: Status(row.Status), StatusReason: row.StatusReason, StatusUntil: row.StatusUntil,
		PoolID: row.PoolID, PayoutAddress: row.PayoutAddress,
	}
	err = errors.Join(json.Unmarshal(row.Location, &p.Location), json.Unmarshal(row.Configuration, &p.Configuration),
		json.Unmarshal(row.Labels, &p.Labels))
	return row, p, err
}

// applied is the profile after the update, its status left out.
func (u Update) applied(p profile) profile {
	set(&p.Name, u.Name)
	set(&p.Type, u.Type)
	set(&p.PoolID, u.PoolID)
	set(&p.Location, u.Location)
	set(&p.Configuration, u.Configuration)
	set(&p.PayoutAddress, u.PayoutAddress)
	if u.Labels != nil {
		p.Labels = u.Labels
	}
	return p
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// store writes the profile and moves the node between pools.
func (s *Store) store(ctx context.Context, tx db.Tx, row sqlgen.LockNodeRow, before, after profile, now time.Time) error {
	d, err := encode(after.Location, after.Configuration, nonNil(after.Labels))
	if err != nil {
		return err
	}
	q := sqlgen.New(tx)
	err = q.UpdateNode(ctx, sqlgen.UpdateNodeParams{
		NodeNo: row.NodeNo, Name: after.Name, NodeType: after.Type, Location: d[0], Configuration: d[1], Labels: d[2], At: now,
	})
	if err == nil && after.PayoutAddress != before.PayoutAddress {
		err = setAddress(ctx, tx, row.NodeNo, after.PayoutAddress, now, false)
	}
	if err == nil {
		err = newConfig(ctx, q, row.NodeNo, before, after, now)
	}
	if err != nil || after.PoolID == before.PoolID {
		return err
	}
	if err := q.LockPools(ctx, []string{before.PoolID, after.PoolID}); err != nil {
		return err
	}
	if before.PoolID != "" {
		if err := s.Leave(ctx, tx, row.NodeNo, now); err != nil {
			return err
		}
	}
	if after.PoolID == "" {
		return nil
	}
	poolNo, err := poolNo(ctx, q, after.PoolID)
	if err != nil {
		return err
	}
	return s.Join(ctx, tx, poolNo, row.NodeNo, now)
}

// setByHand moves a node to what an operator decided. A command that it had
// not confirmed is given up.
func setByHand(ctx context.Context, tx db.Tx, row sqlgen.LockNodeRow, to standing, now time.Time) error {
	if from := Status(row.Status); !maySet(from, row.StatusReason, to.status) {
		return fault.New(fault.StateNotAllowed, "%s is %s%s and cannot be set to %s by hand", row.NodeID, from, because(row.StatusReason), to.status)
	}
	q := sqlgen.New(tx)
	if err := q.SupersedeCommands(ctx, sqlgen.SupersedeCommandsParams{NodeNo: row.NodeNo, At: now}); err != nil {
		return err
	}
	before, err := q.LockStatus(ctx, row.NodeNo)
	if err != nil {
		return err
	}
	return enter(ctx, tx, row.NodeNo, before, to, now)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
