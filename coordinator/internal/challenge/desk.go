package challenge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
)

// DeskConfig of a Desk. Without a comment a field is required.
type DeskConfig struct {
	Pool      *db.Pool
	Nodes     *node.Store
	PuzzleKey proof.Key
	Remember  time.Duration // how long an answer that was checked is remembered; default 5 min
	Poll      time.Duration // how often Await looks; default 200 ms
	Now       func() time.Time
}

// Desk is what every coordinator can do for who asks about proofs, whether it
// leads or not: demand one, and check an answer that is shown. It judges nothing.
type Desk struct {
	DeskConfig
	checked *cache
}

// NewDesk makes a Desk.
func NewDesk(c DeskConfig) *Desk {
	c.Remember = cmp.Or(c.Remember, 5*time.Minute)
	c.Poll = cmp.Or(c.Poll, 200*time.Millisecond)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Desk{DeskConfig: c, checked: newCache(c.Remember)}
}

// Ticket is a proof that was demanded: the next verdict of the node.
type Ticket struct {
	NodeNo int32
	after  int64 // its last verdict when it was demanded
}

// Demand asks the leader to challenge a node at its next round. A node that is
// being challenged already is not asked twice.
func (d *Desk) Demand(ctx context.Context, by audit.By, nodeID string) (Ticket, error) {
	var ticket Ticket
	err := db.InTx(ctx, d.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		n, err := q.Demandable(ctx, nodeID)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fault.New(fault.NodeNotFound, "there is no node %s", nodeID)
		case err != nil:
			return err
		case !n.Challenged:
			return fault.New(fault.StateNotAllowed, "%s is %s: only nodes that start, are active or are suspended by their score are challenged", nodeID, n.Status)
		case !n.Online:
			return fault.New(fault.NodeOffline, "%s is offline and could not answer; try again when it is connected", nodeID)
		}
		ticket = Ticket{NodeNo: n.NodeNo, after: n.LastVerdict}
		if !n.Open {
			if err := q.Demand(ctx, sqlgen.DemandParams{NodeNo: n.NodeNo, NextAt: d.Now(), At: d.Now()}); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, by.Record("node.challenge", nodeID, nil, nil).AtTime(d.Now()))
	})
	return ticket, err
}

// Await waits for the verdict; false when ctx ends before.
func (d *Desk) Await(ctx context.Context, t Ticket) (judged bool, err error) {
	look := time.NewTicker(d.Poll)
	defer look.Stop()
	for {
		judged, err = sqlgen.New(d.Pool).JudgedSince(ctx, sqlgen.JudgedSinceParams{NodeNo: t.NodeNo, VerdictNo: t.after})
		switch {
		case ctx.Err() != nil:
			return false, nil
		case err != nil:
			return false, fmt.Errorf("look for a verdict of node %d: %w", t.NodeNo, err)
		case judged:
			return true, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false, nil
		}
	}
}
