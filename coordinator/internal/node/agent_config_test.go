package node_test

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// receive takes the configurations that are sent.
func (w *world) receive(into *[]*wire.Config) {
	w.SendConfig = func(_ string, c *wire.Config) error {
		*into = append(*into, c)
		return nil
	}
}

func (w *world) wantAgentConfig(t *testing.T, id string, version int64, state node.ConfigState, refusal string) {
	t.Helper()
	c := w.get(t, id).AgentConfig
	if c.Version != version || c.State() != state || c.Refusal != refusal {
		t.Errorf("configuration %d is %s (%q), want %d %s (%q)", c.Version, c.State(), c.Refusal, version, state, refusal)
	}
}

func (w *world) configure(t *testing.T, id string, sample, publish int) {
	t.Helper()
	_, err := w.Update(t.Context(), operator, id, node.Update{Configuration: &node.Configuration{SampleIntervalSeconds: &sample, PublishIntervalSeconds: &publish}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestIntervalsAreSentAndAnswered(t *testing.T) {
	w := newWorld(t)
	var sent []*wire.Config
	w.receive(&sent)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	if err := w.RunOnce(t.Context()); err != nil || len(sent) != 0 || w.get(t, id).AgentConfig.Version != 0 {
		t.Fatalf("%d configurations are sent though nobody wants anything: %v", len(sent), err)
	}
	w.configure(t, id, 5, 30)
	first := w.clock.UnixMilli()
	_, keys, err := w.LiveKeys(t.Context(), id)
	if err != nil || len(sent) != 1 || sent[0].Version != uint64(first) || sent[0].SampleIntervalMs != 5000 || sent[0].PublishIntervalMs != 30000 ||
		sent[0].Update != nil || !proof.VerifyConfig(keys.Command, id, sent[0]) {
		t.Fatalf("sent %+v, %v", sent, err)
	}
	w.wantAgentConfig(t, id, first, node.ConfigPending, "")
	result := func(id, result, reason string) {
		t.Helper()
		if err := w.CommandResult(t.Context(), no, &wire.CommandResult{V: 1, CommandID: id, Result: result, Reason: reason}); err != nil {
			t.Fatal(err)
		}
	}
	result(sent[0].ConfigID, wire.CommandDone, "")
	w.wantAgentConfig(t, id, first, node.ConfigApplied, "")

	w.connect(t, no) // the broker may have forgotten what it retained
	if err := w.RunOnce(t.Context()); err != nil || len(sent) != 2 || sent[1].ConfigID != sent[0].ConfigID || sent[1].Version != uint64(first) {
		t.Fatalf("a new session is sent %+v, %v", sent, err)
	}
	if err := w.RunOnce(t.Context()); err != nil || len(sent) != 2 {
		t.Fatalf("sent %d times, want once a session", len(sent))
	}

	w.configure(t, id, 1, 60) // this agent shall have bounds of its own
	w.wantAgentConfig(t, id, first+1, node.ConfigPending, "")
	result(sent[0].ConfigID, wire.CommandDone, "") // late, to the one before
	other := uuid.New()
	result(hex.EncodeToString(other[:]), wire.CommandRefused, "of nobody")
	w.wantAgentConfig(t, id, first+1, node.ConfigPending, "")
	result(sent[2].ConfigID, wire.CommandRefused, "sample_interval: no")
	w.wantAgentConfig(t, id, first+1, node.ConfigRefused, "sample_interval: no")
	result(sent[2].ConfigID, wire.CommandDone, "") // it was answered: what the operator read stands
	w.wantAgentConfig(t, id, first+1, node.ConfigRefused, "sample_interval: no")

	if _, err := w.Update(t.Context(), operator, id, node.Update{Configuration: &node.Configuration{}}); err != nil {
		t.Fatal(err)
	}
	if last := sent[len(sent)-1]; last.Version != uint64(first)+2 || last.SampleIntervalMs != 0 || last.PublishIntervalMs != 0 {
		t.Errorf("taken back: %+v", last)
	}
}

func TestAbsurdIntervalsAreRefused(t *testing.T) {
	w := newWorld(t)
	_, id := w.enrolled(t, "pi")
	set := func(v int) *int { return &v }
	for name, c := range map[string]struct {
		configuration node.Configuration
		field         string
	}{
		"one alone":       {node.Configuration{SampleIntervalSeconds: set(10)}, "configuration.publish_interval_seconds"},
		"the other alone": {node.Configuration{PublishIntervalSeconds: set(10)}, "configuration.sample_interval_seconds"},
		"too often":       {node.Configuration{SampleIntervalSeconds: set(0), PublishIntervalSeconds: set(10)}, "configuration.sample_interval_seconds"},
		"too seldom":      {node.Configuration{SampleIntervalSeconds: set(3600), PublishIntervalSeconds: set(1 << 40)}, "configuration.publish_interval_seconds"},
		"too many":        {node.Configuration{SampleIntervalSeconds: set(1), PublishIntervalSeconds: set(300)}, "configuration.publish_interval_seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Update(t.Context(), operator, id, node.Update{Configuration: &c.configuration})
			fields := wantFault(t, err, fault.Validation).Fields
			if !slices.ContainsFunc(fields, func(f fault.Field) bool { return f.Name == c.field }) {
				t.Errorf("%v, want %s", fields, c.field)
			}
		})
	}
}

func TestUpdateIsAnnouncedToItsRing(t *testing.T) {
	w := newWorld(t)
	var sent []*wire.Config
	w.receive(&sent)
	stable, stableID := w.enrolled(t, "stable-pi")
	canary, canaryID := w.enrolled(t, "canary-pi")
	if _, err := w.Update(t.Context(), operator, canaryID, node.Update{Labels: map[string]string{"ring": "canary"}}); err != nil {
		t.Fatal(err)
	}
	w.connect(t, stable)
	w.connect(t, canary)
	announce := func(version, ring, window string, want int64) {
		t.Helper()
		sent = nil
		nodes, err := w.Announce(t.Context(), operator, wire.Update{Version: version, Ring: ring, Window: window})
		if err != nil || nodes != want {
			t.Fatalf("announced to %d nodes, want %d: %v", nodes, want, err)
		}
		if err := w.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	announce("1.4.0", "canary", "22:00-04:00", 1)
	if len(sent) != 1 || sent[0].Update == nil || *sent[0].Update != (wire.Update{Version: "1.4.0", Ring: "canary", Window: "22:00-04:00"}) {
		t.Fatalf("sent %+v", sent)
	}
	if n := w.count(t, "SELECT count(*) FROM audit_entry WHERE target = 'ring_canary' AND action = 'update.announce'"); n != 1 {
		t.Errorf("the announcement stands %d times in the audit log, want once", n)
	}
	announce("1.4.1", "canary", "", 1)
	before := sent[0].Version
	announce("1.4.1", "stable", "", 1)
	if len(sent) != 1 || sent[0].Update.Ring != "stable" || w.get(t, stableID).AgentConfig.Version != w.clock.UnixMilli() {
		t.Fatalf("sent %+v", sent)
	}
	late, _ := w.enrolled(t, "late-pi") // after the announcement
	w.connect(t, late)
	if err := w.RunOnce(t.Context()); err != nil || len(sent) != 2 || sent[1].Update == nil || sent[1].Update.Version != "1.4.1" {
		t.Errorf("who comes later is sent %+v, %v", sent, err)
	}

	sent = nil
	if nodes, err := w.Withdraw(t.Context(), operator, "canary"); err != nil || nodes != 1 {
		t.Fatalf("withdrawn from %d nodes: %v", nodes, err)
	}
	if err := w.RunOnce(t.Context()); err != nil || len(sent) != 1 || sent[0].Update != nil || sent[0].Version <= before {
		t.Errorf("after the withdrawal %+v is sent, %v", sent, err)
	}
	_, err := w.Withdraw(t.Context(), operator, "canary")
	wantFault(t, err, fault.OtherNotFound)
	_, err = w.Announce(t.Context(), operator, wire.Update{Version: "banana", Ring: "stable"})
	wantFault(t, err, fault.Validation)
	if list, err := w.Announcements(t.Context()); err != nil || len(list) != 1 || list[0].Ring != "stable" {
		t.Errorf("announced are %+v, %v", list, err)
	}
}

// A backup knows less than the agents that outlive it, so versions must not go
// back with it: not those of what is changed afterwards, and not what an agent
// holds that nobody here remembers.
func TestVersionsRiseOverARestoredBackup(t *testing.T) {
	w := newWorld(t)
	var sent []*wire.Config
	w.receive(&sent)
	no, id := w.enrolled(t, "pi")
	w.connect(t, no)
	w.configure(t, id, 5, 30)
	newest := sent[0].Version
	w.restoreVersions(t)
	w.clock = w.clock.Add(time.Minute)

	w.configure(t, id, 6, 30)
	if last := sent[len(sent)-1]; last.Version <= newest {
		t.Errorf("configuration %d follows %d", last.Version, newest)
	}
	w.restoreVersions(t)
	session := w.connect(t, no)
	far := &wire.Status{V: 1, Online: true, Connection: 1, State: wire.StateRunning, ConfigVersion: wire.MaxVersion, CommandVersion: wire.MaxVersion}
	if err := w.SetAgent(t.Context(), no, session, far); err != nil { // which would leave no version above it
		t.Fatal(err)
	}
	for range 2 { // the second time it is known
		ahead := newest + 1_000_000 // of a clock that was ahead
		err := w.SetAgent(t.Context(), no, session, &wire.Status{V: 1, Online: true, Connection: 1, State: wire.StateRunning, ConfigVersion: ahead})
		if err == nil {
			err = w.RunOnce(t.Context())
		}
		if last := sent[len(sent)-1]; err != nil || len(sent) != 3 || last.Version != ahead+1 || last.SampleIntervalMs != 6000 {
			t.Fatalf("an agent that knows configuration %d is sent %+v, %v", ahead, sent[2:], err)
		}
	}
}

// A backup is restored onto a machine whose clock is behind the one of before, by
// more than any bound: commands and configurations go on above what the agent has.
func TestVersionsRiseOverARestoreOntoAClockThatIsBehind(t *testing.T) {
	w, radio := newWorld(t), &radio{}
	w.tune(radio)
	var sent []*wire.Config
	w.receive(&sent)
	no, id := w.enrolled(t, "pi")
	w.prove(t, no, true)
	w.connect(t, no)
	w.configure(t, id, 5, 30)
	if _, err := w.Stop(t.Context(), operator, id); err != nil {
		t.Fatal(err)
	}
	config, command := sent[0].Version, radio.sent[0].Version
	if _, err := w.pool.Exec(t.Context(), "DELETE FROM node_command; UPDATE node SET status = 'active', status_reason = ''"); err != nil {
		t.Fatal(err)
	}
	w.restoreVersions(t)
	w.clock = w.clock.Add(-30 * 24 * time.Hour)

	session := w.connect(t, no)
	err := w.SetAgent(t.Context(), no, session, &wire.Status{V: 1, Online: true, Connection: 1, State: wire.StateRunning, ConfigVersion: config, CommandVersion: command})
	if err == nil {
		err = w.RunOnce(t.Context())
	}
	if err != nil || len(sent) != 2 || sent[1].Version != config+1 {
		t.Errorf("an agent that knows configuration %d is sent %+v, %v", config, sent[1:], err)
	}
	if _, err := w.Stop(t.Context(), operator, id); err != nil || len(radio.sent) != 2 || radio.sent[1].Version != command+1 {
		t.Errorf("an agent that knows command %d is given %+v, %v", command, radio.sent[1:], err)
	}
}

// restoreVersions takes them back to what a backup from before the first holds.
func (w *world) restoreVersions(t *testing.T) {
	t.Helper()
	if _, err := w.pool.Exec(t.Context(), "UPDATE node SET config_version = 0, config_session = NULL, command_version = 0"); err != nil {
		t.Fatal(err)
	}
}
