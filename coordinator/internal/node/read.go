package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

const (
	nodeColumns = `n.node_no, n.node_id, n.name, n.node_type, n.status, n.status_reason, n.status_until, COALESCE(p.pool_id, ''),
		n.inventory, n.location, n.configuration, n.labels, n.version, n.payout_address, n.payout_address_due, n.poot_score, n.online, n.agent_version,
		o.from_at, n.created_at, n.updated_at, n.config_version, n.config_answered, n.config_refusal`
	readRows = "SELECT n.xmin, h.at, " + nodeColumns + ` FROM node n JOIN node_heartbeat h USING (node_no) LEFT JOIN pool p USING (pool_no)
		LEFT JOIN node_presence o ON o.node_no = n.node_no AND o.to_at IS NULL WHERE n.node_no = ANY($1) AND n.deleted_at IS NULL`
	readHeartbeats = "SELECT node_no, at FROM node_heartbeat WHERE node_no = ANY($1)"

	seeOne = `SELECT n.node_no, n.xmin, h.at, EXISTS (SELECT FROM alert a WHERE a.node_no = n.node_no AND a.state <> 'resolved') FROM node n JOIN node_heartbeat h USING (node_no)
		WHERE n.node_id = $1 AND n.deleted_at IS NULL`
)

// seen is all that a query tells of a node whose row may be remembered.
type seen struct {
	no      int32
	version version
	heard   time.Time // epoch: never; zero: not read
	alerted bool
}

// Get reads one node. What it points to is shared and must not be changed.
func (s *Store) Get(ctx context.Context, nodeID string) (Node, error) {
	var one seen
	err := s.Pool.QueryRow(ctx, seeOne, nodeID).Scan(&one.no, (*uint32)(&one.version), &one.heard, &one.alerted)
	if errors.Is(err, pgx.ErrNoRows) {
		return Node{}, errUnknown(nodeID)
	} else if err != nil {
		return Node{}, fmt.Errorf("read node %s: %w", nodeID, err)
	}
	nodes, err := s.recall(ctx, []seen{one})
	if err != nil {
		return Node{}, fmt.Errorf("read node %s: %w", nodeID, err)
	}
	if nodes[0] == nil { // deleted between the two queries
		return Node{}, errUnknown(nodeID)
	}
	n := *nodes[0]
	n.LastHeartbeat, n.Alerted = one.heartbeat(), one.alerted
	return n, nil
}

// NoOf is the number of a node, also of one that was deleted: what it earned, was
// paid and is suspected of stands under it, and stays its owner's to know.
func (s *Store) NoOf(ctx context.Context, nodeID string) (int32, error) {
	no, err := sqlgen.New(s.Pool).NodeNo(ctx, nodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errUnknown(nodeID)
	} else if err != nil {
		return 0, fmt.Errorf("read the number of node %s: %w", nodeID, err)
	}
	return no, nil
}

// heartbeat is nil for a node that was never heard.
func (s *seen) heartbeat() *time.Time {
	if s.heard.Unix() <= 0 {
		return nil
	}
	return &s.heard
}

func errUnknown(nodeID string) error { return fault.New(fault.NodeNotFound, "no node %s", nodeID) }

// recall gives the rows of the nodes that were seen: from memory, and in one
// query those that are new. Such a row may be newer still than what was seen; it
// is nil when the node is gone meanwhile. Rows are shared: nobody changes them.
// Heartbeats that were not read are set, and may be heardFor old.
func (s *Store) recall(ctx context.Context, all []seen) ([]*Node, error) {
	rows, now := make([]*Node, len(all)), s.Now()
	missing, unheard := s.memory.fill(rows, all, now)
	heard := map[int32]time.Time{}
	read, err := s.readRows(ctx, missing, heard, now)
	if err == nil {
		err = s.readHeartbeats(ctx, unheard, heard, now)
	}
	if err != nil {
		return nil, err
	}
	for i := range all {
		if rows[i] == nil {
			rows[i] = read[all[i].no]
		}
		if all[i].heard.IsZero() {
			all[i].heard = heard[all[i].no]
		}
	}
	return rows, nil
}

// readHeartbeats reads when nodes were last heard, into heard.
func (s *Store) readHeartbeats(ctx context.Context, nos []int32, heard map[int32]time.Time, now time.Time) error {
	if len(nos) == 0 {
		return nil
	}
	rows, err := s.Pool.Query(ctx, readHeartbeats, nos)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var no int32
		var at time.Time
		if err := rows.Scan(&no, &at); err != nil {
			return err
		}
		heard[no] = at
	}
	s.memory.hear(heard, now)
	return rows.Err()
}

// readRows reads whole rows, and into heard when they were last heard, and
// remembers both.
func (s *Store) readRows(ctx context.Context, nos []int32, heard map[int32]time.Time, now time.Time) (map[int32]*Node, error) {
	if len(nos) == 0 {
		return nil, nil
	}
	rows, err := s.Pool.Query(ctx, readRows, nos)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	read := make(map[int32]*Node, len(nos))
	for rows.Next() {
		var v version
		var at time.Time
		n, err := scanNode(rows, &v, &at)
		if err != nil {
			return nil, err
		}
		n.Memo = new(Memo)
		s.memory.put(&n, v, at, now)
		read[n.No], heard[n.No] = &n, at
	}
	return read, rows.Err()
}

func scanNode(row pgx.Row, v *version, heard *time.Time) (n Node, err error) {
	var inventory, location, configuration, labels []byte
	err = row.Scan((*uint32)(v), heard, &n.No, &n.ID, &n.Name, &n.Type, &n.Status, &n.StatusReason, &n.StatusUntil, &n.PoolID,
		&inventory, &location, &configuration, &labels, &n.Version, &n.PayoutAddress, &n.AddressDue, &n.ScoreNano, &n.Online, &n.AgentVersion,
		&n.OnlineSince, &n.CreatedAt, &n.UpdatedAt, &n.AgentConfig.Version, &n.AgentConfig.answered, &n.AgentConfig.Refusal)
	if err != nil {
		return n, err
	}
	return n, errors.Join(json.Unmarshal(inventory, &n.Inventory), json.Unmarshal(location, &n.Location),
		json.Unmarshal(configuration, &n.Configuration), json.Unmarshal(labels, &n.Labels))
}
