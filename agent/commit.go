package agent

import (
	"context"
	"errors"
	"slices"

	"lucid.internal/agent/internal/link"
	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// commit names a message that the coordinator has taken for good.
type commit struct {
	run wire.RunID
	seq uint64
}

// committed takes an acknowledgement of the coordinator. It does not block.
func (a *Agent) committed(payload []byte) error {
	ack, err := wire.DecodeMetricsAck(payload)
	if err != nil {
		return err
	}
	genuine := func(e proof.Epoch) bool { return proof.VerifyAck(e.Keys.Challenge, a.identity.NodeID, ack) }
	if !slices.ContainsFunc(a.keys.Epochs(), genuine) {
		return errors.New("its MAC is not the coordinator's")
	}
	select {
	case a.commits <- commit{ack.Run, ack.Seq}:
	default: // one message is on its way at a time: the others are repetitions
	}
	return nil
}

// awaitCommit waits until the coordinator has taken a message. The
// acknowledgement of an earlier one may come again, and changes nothing.
func (a *Agent) awaitCommit(ctx context.Context, s *link.Session, m spool.Message) error {
	for {
		select {
		case c := <-a.commits:
			if c == (commit{m.Run, m.LastSeq}) {
				return nil
			}
		case <-s.Lost():
			return link.ErrLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
