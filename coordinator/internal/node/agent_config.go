package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// configLife is how long a configuration that was sent may wait to be taken. A
// node that comes back later is sent it anew.
const configLife = 7 * 24 * time.Hour

// ConfigState says what has become of the configuration that an agent is sent.
type ConfigState string

// The states of an agent's configuration.
const (
	ConfigPending ConfigState = "pending" // not answered yet
	ConfigApplied ConfigState = "applied"
	ConfigRefused ConfigState = "refused"
)

// AgentConfig is the configuration message of a node's agent, as it stands.
type AgentConfig struct {
	Version  int64 // Unix milliseconds, or one above the version before; 0: there is none
	answered int64
	Refusal  string // of the version that was answered
}

// State is what has become of the newest version.
func (c AgentConfig) State() ConfigState {
	switch {
	case c.answered != c.Version:
		return ConfigPending
	case c.Refusal != "":
		return ConfigRefused
	}
	return ConfigApplied
}

// newConfig makes the agent's configuration a new one when what it is made of
// has changed: the intervals, or the ring.
func newConfig(ctx context.Context, q *sqlgen.Queries, nodeNo int32, before, after profile, now time.Time) error {
	if intervalsOf(before.Configuration) == intervalsOf(after.Configuration) && ringOf(before.Labels) == ringOf(after.Labels) {
		return nil
	}
	return q.NewConfig(ctx, sqlgen.NewConfigParams{NodeNo: nodeNo, AtMs: now.UnixMilli()})
}

// intervalsOf are in milliseconds, 0 for what the agent decides itself.
func intervalsOf(c Configuration) (ms struct{ sample, publish int64 }) {
	if c.SampleIntervalSeconds != nil {
		ms.sample = int64(*c.SampleIntervalSeconds) * 1000
	}
	if c.PublishIntervalSeconds != nil {
		ms.publish = int64(*c.PublishIntervalSeconds) * 1000
	}
	return ms
}

// configID names a version of a node's configuration, so that it need not be
// stored.
func configID(nodeID string, version int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "lucid/config-id/v1\x00%s\x00%d", nodeID, version))
	return hex.EncodeToString(sum[:16])
}

// sendConfigs publishes to connected nodes what their session was not sent yet.
// What cannot be sent stays for the next time.
func (s *Store) sendConfigs(ctx context.Context) error {
	q := sqlgen.New(s.Pool)
	rows, err := q.DueConfigs(ctx)
	if err != nil {
		return fmt.Errorf("read configurations to be sent: %w", err)
	}
	var failed error
	for _, row := range rows {
		err := s.sendConfig(ctx, row)
		if err == nil {
			err = q.MarkConfigSent(ctx, sqlgen.MarkConfigSentParams{NodeNo: row.NodeNo, ConfigVersion: row.ConfigVersion, SessionNo: row.SessionNo})
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("configuration for %s: %w", row.NodeID, err))
		}
	}
	return failed
}

func (s *Store) sendConfig(ctx context.Context, row sqlgen.DueConfigsRow) error {
	_, keys, err := s.LiveKeys(ctx, row.NodeID)
	if err != nil {
		return err
	}
	var wanted Configuration
	if err := json.Unmarshal(row.Configuration, &wanted); err != nil {
		return err
	}
	now, ms := s.Now(), intervalsOf(wanted)
	c := &wire.Config{
		V: wire.ProtocolVersion, ConfigID: configID(row.NodeID, row.ConfigVersion), Version: uint64(row.ConfigVersion),
		IssuedMs: now.UnixMilli(), ExpiresMs: now.Add(configLife).UnixMilli(), SampleIntervalMs: ms.sample, PublishIntervalMs: ms.publish,
	}
	if row.UpdateVersion != "" {
		c.Update = &wire.Update{Version: row.UpdateVersion, Ring: row.Ring, Window: row.TimeWindow}
	}
	proof.SignConfig(keys.Command, row.NodeID, c)
	return s.SendConfig(row.NodeID, c)
}

// answerConfig takes a node's answer if it is to its configuration. One to an
// older version, or one given before, changes nothing.
func answerConfig(ctx context.Context, tx db.Tx, nodeNo int32, r *wire.CommandResult) (isConfig bool, err error) {
	q := sqlgen.New(tx)
	row, err := q.ConfigVersion(ctx, nodeNo)
	if err != nil || row.ConfigVersion == 0 || r.CommandID != configID(row.NodeID, row.ConfigVersion) {
		return false, err
	}
	p := sqlgen.AnswerConfigParams{NodeNo: nodeNo, ConfigVersion: row.ConfigVersion}
	if r.Result == wire.CommandRefused {
		p.ConfigRefusal = r.Reason
		if p.ConfigRefusal == "" {
			p.ConfigRefusal = "no reason given"
		}
	}
	return true, q.AnswerConfig(ctx, p)
}
