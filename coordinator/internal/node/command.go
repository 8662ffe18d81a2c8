package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Command is one that was given to a node.
type Command struct {
	ID      string
	NodeID  string
	Status  Status // of the node until it confirms
	At      time.Time
	Expires time.Time // not confirmed by then: the node's status is Error
}

// Start tells a node to work again. It is Active when it confirms, or, if it
// is not proven, by its first valid proof after that.
func (s *Store) Start(ctx context.Context, by audit.By, nodeID string) (Command, error) {
	return s.command(ctx, by, nodeID, wire.CommandStart, Starting, mayStart)
}

// Stop tells a node to stay connected but do nothing; it is Inactive when it
// confirms.
func (s *Store) Stop(ctx context.Context, by audit.By, nodeID string) (Command, error) {
	return s.command(ctx, by, nodeID, wire.CommandStop, Stopping, func(status Status, _ string) bool { return mayStop(status) })
}

func (s *Store) command(ctx context.Context, by audit.By, nodeID string, kind wire.CommandKind, to Status, may func(Status, string) bool) (Command, error) {
	now := s.Now()
	c := Command{NodeID: nodeID, Status: to, At: now, Expires: now.Add(s.CommandTimeout)}
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		row, before, err := lock(ctx, tx, nodeID, nil)
		switch {
		case err != nil:
			return err
		case !may(before.Status, before.StatusReason):
			return fault.New(fault.StateNotAllowed, "%s is %s%s: %s does not apply", nodeID, before.Status, because(before.StatusReason), kind)
		case !row.Online:
			return fault.New(fault.NodeOffline, "%s is offline and would not hear it; try again when it is connected", nodeID)
		}
		id := uuid.New()
		c.ID = hex.EncodeToString(id[:])
		q := sqlgen.New(tx)
		if err := q.SupersedeCommands(ctx, sqlgen.SupersedeCommandsParams{NodeNo: row.NodeNo, At: now}); err != nil {
			return err
		}
		version, err := q.InsertCommand(ctx, sqlgen.InsertCommandParams{
			CommandID: id, NodeNo: row.NodeNo, Kind: string(kind), IssuedAt: now, ExpiresAt: c.Expires,
		})
		if err != nil {
			return err
		}
		if err := SetStatus(ctx, tx, row.NodeNo, to, string(kind)+" requested", now); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("node."+string(kind), nodeID, map[string]any{"status": before.Status},
			map[string]any{"status": to, "command_version": version}).AtTime(now))
	})
	if err != nil {
		return Command{}, fmt.Errorf("%s %s: %w", kind, nodeID, err)
	}
	// Where this does not reach the node, RunOnce beside its broker does.
	_ = s.sendCommands(ctx)
	return c, nil
}

// sendCommands publishes what connected nodes were not sent yet. What cannot
// be sent stays for the next time.
func (s *Store) sendCommands(ctx context.Context) error {
	q := sqlgen.New(s.Pool)
	rows, err := q.UnsentCommands(ctx)
	if err != nil {
		return fmt.Errorf("read commands to be sent: %w", err)
	}
	var failed error
	for _, row := range rows {
		err := s.send(ctx, row)
		if err == nil {
			now := s.Now()
			err = q.MarkSent(ctx, sqlgen.MarkSentParams{CommandID: row.CommandID, SentAt: &now, SessionNo: row.SessionNo})
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s command for %s: %w", row.Kind, row.NodeID, err))
		}
	}
	return failed
}

func (s *Store) send(ctx context.Context, row sqlgen.UnsentCommandsRow) error {
	_, keys, err := s.LiveKeys(ctx, row.NodeID)
	if err != nil {
		return err
	}
	c := &wire.Command{
		V: wire.ProtocolVersion, CommandID: hex.EncodeToString(row.CommandID[:]), Kind: wire.CommandKind(row.Kind),
		IssuedMs: row.IssuedAt.UnixMilli(), ExpiresMs: row.ExpiresAt.UnixMilli(), Version: uint64(row.Version),
	}
	if row.OfferedEpoch > 0 {
		c.Key = &wire.KeyOffer{KeyEpoch: uint32(row.OfferedEpoch), X25519Public: row.X25519Public, Signature: row.Signature}
	}
	if c.Kind == wire.CommandMove {
		c.Coordinator = s.whereabouts(row.NodeID)
	}
	proof.SignCommand(keys.Command, row.NodeID, c)
	return s.Send(row.NodeID, c)
}

// CommandResult takes a node's answer to a command or to its configuration. One to a command that does not wait any
// more, or was another node's, changes nothing.
func (s *Store) CommandResult(ctx context.Context, nodeNo int32, r *wire.CommandResult) error {
	id, err := hex.DecodeString(r.CommandID)
	if err != nil || len(id) != len(uuid.UUID{}) {
		return fmt.Errorf("command id %q is not 32 hexadecimal digits", r.CommandID)
	}
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		if isConfig, err := answerConfig(ctx, tx, nodeNo, r); isConfig || err != nil {
			return err
		}
		if r.Result != wire.CommandDone {
			return endCommand(ctx, tx, nodeNo, uuid.UUID(id), "refused", r.Reason, now)
		}
		if rotates, err := s.takeKey(ctx, tx, nodeNo, uuid.UUID(id), r.Key, now); rotates || err != nil {
			return err
		}
		return endCommand(ctx, tx, nodeNo, uuid.UUID(id), "done", "", now)
	})
	if err != nil {
		return fmt.Errorf("result of command %s: %w", r.CommandID, err)
	}
	return nil
}

// endCommand closes a command, once, and moves the node's status on.
func endCommand(ctx context.Context, tx db.Tx, nodeNo int32, id uuid.UUID, state, reason string, now time.Time) error {
	q := sqlgen.New(tx)
	before, err := q.LockStatus(ctx, nodeNo) // before the command, as whoever gives one
	if err != nil {
		return err
	}
	kind, err := q.EndCommand(ctx, sqlgen.EndCommandParams{CommandID: id, NodeNo: nodeNo, State: state, Reason: reason, At: now})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	} else if err != nil {
		return err
	}
	if kind == string(wire.CommandMove) && state == "done" {
		return q.MarkTold(ctx, nodeNo)
	}
	next, waits := afterResult(kind, Status(before.Status), before.Proven)
	switch {
	case !waits:
		return nil
	case state == "done":
		if err := q.SetAgentStopped(ctx, sqlgen.SetAgentStoppedParams{NodeNo: nodeNo, AgentStopped: kind == string(wire.CommandStop)}); err != nil {
			return err
		}
		why := kind + " confirmed"
		if next == Starting {
			why += ", to be proven"
		}
		return enter(ctx, tx, nodeNo, before, standing{next, why, nil}, now)
	case state == "refused":
		reason = fmt.Sprintf("%s refused: %s", kind, reason)
	}
	return enter(ctx, tx, nodeNo, before, standing{Error, reason, nil}, now)
}
