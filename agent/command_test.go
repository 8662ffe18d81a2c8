package agent

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/link"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// give sends a command as the coordinator does.
func (n *network) give(kind wire.CommandKind, version uint64) string {
	n.t.Helper()
	return n.order(n.enrolment.Root("token").Derive(), kind, version)
}

// order gives a command under these keys.
func (n *network) order(under proof.Keys, kind wire.CommandKind, version uint64) string {
	n.t.Helper()
	c := n.command(kind, version)
	n.send(under, c)
	return c.CommandID
}

// command is one that is not signed yet.
func (n *network) command(kind wire.CommandKind, version uint64) *wire.Command {
	now := time.Now()
	if n.config.Now != nil {
		now = n.config.Now()
	}
	return &wire.Command{
		V: 1, CommandID: strings.Repeat("0", 31) + string(rune('0'+version)), Kind: kind, Version: version,
		IssuedMs: now.UnixMilli(), ExpiresMs: now.Add(time.Minute).UnixMilli(),
	}
}

func (n *network) send(under proof.Keys, c *wire.Command) {
	n.t.Helper()
	proof.SignCommand(under.Command, testNode, c)
	n.broker.Send(wire.Topic(testNode, wire.ChannelCommand), encode(c), 1, false)
}

func (n *network) wantDone(id string) {
	n.t.Helper()
	r := decode[wire.CommandResult](n.t, n.next(wire.ChannelCommandResult).Payload)
	if r != (wire.CommandResult{V: 1, CommandID: id, Result: wire.CommandDone}) {
		n.t.Fatalf("result = %+v, want %s done", r, id)
	}
}

func (n *network) wantState(state string) {
	n.t.Helper()
	s := n.next(wire.ChannelStatus)
	if got := decode[wire.Status](n.t, s.Payload); got.State != state || !got.Online || !s.Retained {
		n.t.Fatalf("status = %+v, want %s", got, state)
	}
}

// challenge makes a genuine challenge.
func (n *network) challenge(id byte) []byte {
	c := &proof.Challenge{ID: proof.ID{id}, NodeID: testNode, KeyEpoch: 1, IssuedMs: 1000, DeadlineMs: 31000, Difficulty: 4}
	c.SetTargets(proof.Key{9}, 2)
	return n.message(c)
}

// message is a challenge as the coordinator publishes it.
func (n *network) message(c *proof.Challenge) []byte {
	keys := n.enrolment.Root("token").Derive()
	return encode(wire.Challenge{V: 1, ChallengeID: hex.EncodeToString(c.ID[:]), Bytes: c.Encode(keys.Challenge)})
}

func TestStoppedAgentStaysConnectedAndSilentUntilStarted(t *testing.T) {
	n := newNetwork(t, nil)
	_, stop := n.start()
	n.next(wire.ChannelMetrics)
	n.wantDone(n.give(wire.CommandStop, 1))
	n.wantState(wire.StateStopped)
	stop()
	n.next(wire.ChannelStatus) // its goodbye

	a, _ := n.start() // a restart stays stopped
	n.wantState(wire.StateStopped)
	n.next(wire.ChannelInfo)
	a.receive(link.Message{Channel: wire.ChannelChallenge, Payload: n.challenge(1), Received: time.Now()})
	n.wantDone(n.give(wire.CommandRefreshInfo, 2))
	if rested := a.sample(false); !rested || a.recorder.seq != 0 || len(a.challenges) != 0 {
		t.Errorf("a stopped agent samples (%d) or takes challenges (%d)", a.recorder.seq, len(a.challenges))
	}
	n.wantDone(n.give(wire.CommandStart, 3))
	n.wantState(wire.StateRunning)
	n.broker.Send(wire.Topic(testNode, wire.ChannelChallenge), n.challenge(2), 0, false)
	response := decode[wire.Response](t, n.next(wire.ChannelResponse).Payload)
	if !strings.HasPrefix(response.ChallengeID, "02") {
		t.Errorf("answers challenge %s, want the one after the start", response.ChallengeID)
	}
	if m, err := wire.DecodeMetrics(n.next(wire.ChannelMetrics).Payload); err != nil || m.FirstSeq() != 1 {
		t.Errorf("metrics = %+v, %v", m, err)
	}
}

func TestAgentRefreshesItsInfo(t *testing.T) {
	n := newNetwork(t, nil)
	n.start()
	if got := decode[wire.Info](t, n.next(wire.ChannelInfo).Payload).Inventory.Hostname; got == "renamed" {
		t.Fatal("the test begins with its end")
	}
	if err := os.WriteFile(filepath.Join(n.config.Root, "proc/sys/kernel/hostname"), []byte("renamed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := n.give(wire.CommandRefreshInfo, 1)
	info := n.next(wire.ChannelInfo)
	if got := decode[wire.Info](t, info.Payload); got.Inventory.Hostname != "renamed" || got.Inventory.AgentVersion != "1.2.3" || !info.Retained {
		t.Errorf("info = %+v", got)
	}
	n.wantDone(id)
}

func TestAgentRefusesAForgedCommand(t *testing.T) {
	n := newNetwork(t, nil)
	a, _ := n.start()
	n.next(wire.ChannelInfo)
	c := &wire.Command{V: 1, CommandID: strings.Repeat("a", 32), Kind: wire.CommandStop, Version: 1,
		IssuedMs: time.Now().UnixMilli(), ExpiresMs: time.Now().Add(time.Minute).UnixMilli()}
	proof.SignCommand(proof.Key{1}, testNode, c)
	n.broker.Send(wire.Topic(testNode, wire.ChannelCommand), encode(c), 1, false)
	r := decode[wire.CommandResult](t, n.next(wire.ChannelCommandResult).Payload)
	if r.Result != wire.CommandRefused || !strings.Contains(r.Reason, "MAC") || a.control.Stopped() {
		t.Errorf("result = %+v, stopped %v", r, a.control.Stopped())
	}
}
