package agent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/agent/internal/machinetest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testNode = "node_test"      // what coordtest names every node
	patience = 30 * time.Second // bounds waits that end by themselves when all is well
)

// network is a coordinator's outside and an agent enrolled with it.
type network struct {
	t         *testing.T
	broker    *coordtest.Broker
	settings  coordtest.BrokerConfig
	enrolment *coordtest.Enrolment
	config    Config
	prepare   func(*Agent) // called before it runs
	ctx       context.Context
	cancel    context.CancelFunc
}

func newNetwork(t *testing.T, refuse func(coordtest.Publication) bool) *network {
	return newNetworkWith(t, coordtest.BrokerConfig{Refuse: refuse})
}

func newNetworkWith(t *testing.T, config coordtest.BrokerConfig) *network {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	authority := coordtest.NewAuthority(t)
	n := &network{t: t, ctx: ctx, cancel: cancel}
	config.TLS = authority.Server(t, "127.0.0.1")
	n.broker = coordtest.NewBroker(t, config)
	n.settings = config
	n.settings.Addr = n.broker.Addr
	n.enrolment = coordtest.NewEnrolment(t, authority, false, []string{n.broker.Addr}, "token", "another")

	root := t.TempDir()
	machinetest.Plant(t, root, "pi4")
	write(t, filepath.Join(root, "proc/sys/kernel/random/boot_id"), "0a1b2c3d-0000-4000-8000-0000000000ff\n")
	write(t, filepath.Join(root, "run/systemd/timesync/synchronized"), "")
	folder := t.TempDir()
	n.config = Default()
	n.config.SampleInterval, n.config.PublishInterval = time.Second, time.Second
	n.config.minBackoff = time.Millisecond
	n.config.Root, n.config.Version = root, "1.2.3"
	n.config.StateDir, n.config.StatusFile = filepath.Join(folder, "state"), filepath.Join(folder, "status.json")
	file := filepath.Join(folder, "enroll.toml")
	write(t, file, n.enrolment.Ticket("token"))
	enrolled, err := Enrol(ctx, EnrolConfig{File: file, StateDir: n.config.StateDir, Root: root})
	if err != nil || enrolled != (Enrolled{NodeID: testNode}) {
		t.Fatalf("enrolled = %+v, %v", enrolled, err)
	}
	return n
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs an agent; stop ends it as SIGTERM does.
func (n *network) start() (a *Agent, stop func()) {
	n.t.Helper()
	a, err := New(n.config)
	if err != nil {
		n.t.Fatal(err)
	}
	if n.prepare != nil {
		n.prepare(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			n.t.Errorf("run: %v", err)
		}
	}
	n.t.Cleanup(stop)
	return a, stop
}

// next gives the next publication on a channel; others are passed over.
func (n *network) next(c wire.Channel) coordtest.Publication {
	n.t.Helper()
	for {
		select {
		case p := <-n.broker.Published:
			if p.Topic == wire.Topic(testNode, c) {
				return p
			}
		case <-n.ctx.Done():
			n.t.Fatalf("nothing was published on %s", c)
		}
	}
}

func decode[T any](t *testing.T, payload []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	return v
}

func TestAgentFromStatusToGoodbye(t *testing.T) {
	n := newNetwork(t, nil)
	a, stop := n.start()

	status := n.next(wire.ChannelStatus)
	want := wire.Status{V: 1, Online: true, Run: a.recorder.run, Connection: 1,
		BootID: "0a1b2c3d-0000-4000-8000-0000000000ff", AgentVersion: "1.2.3", State: wire.StateRunning, KeyEpoch: 1}
	if got := decode[wire.Status](t, status.Payload); got != want || !status.Retained || status.QoS != 1 {
		t.Errorf("status = %+v, want %+v, retained", got, want)
	}
	info := n.next(wire.ChannelInfo)
	if got := decode[wire.Info](t, info.Payload); got.Inventory.Model != "Raspberry Pi 4 Model B Rev 1.4" || !info.Retained {
		t.Errorf("info = %+v", got)
	}
	var chain [32]byte
	for seq := uint64(1); seq < 3; {
		p := n.next(wire.ChannelMetrics)
		m, err := wire.DecodeMetrics(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if m.Run != a.recorder.run || m.FirstSeq() != seq || m.Samples[0].CPU == nil {
			t.Fatalf("metrics = %s, want run %s from %d", p.Payload, a.recorder.run, seq)
		}
		seq = m.LastSeq() + 1
		chain = proof.ChainNext(chain, p.Payload)
		select {
		case <-a.delivered:
		case <-n.ctx.Done():
			t.Fatal("the message was not taken as acknowledged")
		}
		if got := a.journal.acknowledged(); got.Seq != m.LastSeq() || got.Chain != chain {
			t.Errorf("acknowledged = %d %x, want %d %x", got.Seq, got.Chain, m.LastSeq(), chain)
		}
	}
	stop()
	goodbye := decode[wire.Status](t, n.next(wire.ChannelStatus).Payload)
	if goodbye.Online || goodbye.Connection != 1 {
		t.Errorf("goodbye = %+v, want offline", goodbye)
	}
	report, err := ReadReport(n.config.StatusFile)
	if err != nil || !report.Stopped || report.SamplesWaiting != 0 || report.NodeID != testNode || report.LastAckSeq < 2 {
		t.Errorf("report = %+v, %v", report, err)
	}
}

func TestAgentAnswersAChallengeAndKeepsTheVerdict(t *testing.T) {
	n := newNetwork(t, nil)
	a, _ := n.start()
	n.next(wire.ChannelInfo) // subscribed before
	keys := n.enrolment.Root("token").Derive()
	c := &proof.Challenge{ID: proof.ID{1}, NodeID: testNode, KeyEpoch: 1, IssuedMs: 1000, DeadlineMs: 31000, Difficulty: 6}
	c.SetTargets(proof.Key{9}, 8)
	n.broker.Send(wire.Topic(testNode, wire.ChannelChallenge), n.message(c), 0, false)

	p := n.next(wire.ChannelResponse)
	r, err := proof.ParseResponse(decode[wire.Response](t, p.Payload).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !r.VerifyMAC(keys.Response) || !c.CheckSolutions(proof.Key{9}, r.Solutions) || r.Run != a.recorder.run || p.QoS != 1 || p.Retained {
		t.Errorf("response = %+v", r.Response)
	}
	verdict := wire.Verdict{V: 1, Verdict: "valid", ScoreNano: 990_000_000, FailuresLeft: 22,
		Factors: &wire.Factors{ReputationNano: 1e9, TimelinessNano: 99e7, AvailabilityNano: 1e9, QualityNano: 1e9}}
	n.broker.Send(wire.Topic(testNode, wire.ChannelVerdict), encode(verdict), 1, false)
	for a.describeVerdict() == nil {
		runtime.Gosched()
		if n.ctx.Err() != nil {
			t.Fatal("the verdict was not kept")
		}
	}
	if got := a.describeVerdict(); !reflect.DeepEqual(*got, verdict) {
		t.Errorf("verdict = %+v, want %+v", got, verdict)
	}
}

func (a *Agent) describeVerdict() *wire.Verdict {
	a.journal.mu.Lock()
	defer a.journal.mu.Unlock()
	return a.journal.verdict
}

// TestUnacknowledgedMessageComesAgainByteForByte drops the connection
// instead of acknowledging the first three metrics messages.
func TestUnacknowledgedMessageComesAgainByteForByte(t *testing.T) {
	refusals := 3
	n := newNetwork(t, func(p coordtest.Publication) bool {
		if p.Topic != wire.Topic(testNode, wire.ChannelMetrics) || refusals == 0 {
			return false
		}
		refusals--
		return true
	})
	a, _ := n.start()
	first := n.next(wire.ChannelMetrics)
	for i := range 3 {
		again := n.next(wire.ChannelMetrics)
		if sha256.Sum256(again.Payload) != sha256.Sum256(first.Payload) {
			t.Fatalf("attempt %d sent other bytes:\n%s\n%s", i+2, first.Payload, again.Payload)
		}
	}
	select {
	case <-a.delivered:
	case <-n.ctx.Done():
		t.Fatal("the message was never acknowledged")
	}
	next, err := wire.DecodeMetrics(n.next(wire.ChannelMetrics).Payload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.DecodeMetrics(first.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if next.FirstSeq() != m.LastSeq()+1 {
		t.Errorf("after %d came %d: samples were lost or sent twice", m.LastSeq(), next.FirstSeq())
	}
}

// TestStatusFileFollowsTheConnectionAtOnce runs an agent whose regular report
// is too rare to be of help.
func TestStatusFileFollowsTheConnectionAtOnce(t *testing.T) {
	n := newNetwork(t, nil)
	n.config.reportEvery = time.Hour
	n.start()
	n.reported(func(r *Report) bool { return r.Connected })
	n.broker.Close()
	n.reported(func(r *Report) bool { return !r.Connected && r.LastError != "" && r.RetryAt != nil })
}

// TestFirstSampleDoesNotWaitForTheInterval has an interval that is longer than
// the test's patience.
func TestFirstSampleDoesNotWaitForTheInterval(t *testing.T) {
	n := newNetwork(t, nil)
	n.config.SampleInterval, n.config.PublishInterval = time.Hour, time.Hour
	n.config.reportEvery = time.Hour
	n.start()
	n.reported(func(r *Report) bool { return r.SamplesTaken == 1 })
}

// reported waits for the status file to say so.
func (n *network) reported(want func(*Report) bool) {
	n.t.Helper()
	for {
		r, err := ReadReport(n.config.StatusFile)
		if err == nil && want(r) {
			return
		}
		if n.ctx.Err() != nil {
			n.t.Fatalf("the status file stays at %+v, %v", r, err)
		}
		runtime.Gosched()
	}
}

func TestAgentWithoutIdentityNamesIt(t *testing.T) {
	config := Default()
	config.StateDir = filepath.Join(t.TempDir(), "none")
	if _, err := New(config); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("error = %v, want ErrNotEnrolled", err)
	}
}

func TestSecondAgentOnTheSameIdentityIsRefused(t *testing.T) {
	n := newNetwork(t, nil)
	n.start()
	n.next(wire.ChannelInfo) // the first one runs
	second, err := New(n.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(n.ctx); err == nil || err.Error() != fmt.Sprintf("another agent is running on %s", n.config.StateDir) {
		t.Errorf("error = %v", err)
	}
}

func TestEnrolWithoutFile(t *testing.T) {
	n := newNetwork(t, nil)
	missing := filepath.Join(t.TempDir(), "enroll.toml")
	again, err := Enrol(n.ctx, EnrolConfig{File: missing, StateDir: n.config.StateDir})
	if err != nil || again != (Enrolled{NodeID: testNode, Before: true}) {
		t.Errorf("enrolled = %+v, %v", again, err)
	}
	if _, err := Enrol(n.ctx, EnrolConfig{File: missing, StateDir: t.TempDir() + "/none"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v, want that the file is missing", err)
	}
}

func TestStoppingDeliversWhatWasNotPublishedAndDropsTheWill(t *testing.T) {
	n := newNetwork(t, nil)
	n.config.PublishInterval = 4 * time.Minute // not during this test
	n.prepare = func(a *Agent) { a.recorder.record(wire.Sample{}) }
	_, stop := n.start()
	n.next(wire.ChannelInfo)
	stop()
	m, err := wire.DecodeMetrics(n.next(wire.ChannelMetrics).Payload)
	if err != nil || m.FirstSeq() != 1 {
		t.Errorf("metrics = %+v, %v", m, err)
	}
	if goodbye := n.next(wire.ChannelStatus); goodbye.Will {
		t.Error("the agent was cut off before its goodbye")
	}
	select {
	case <-n.broker.Gone:
	case <-n.ctx.Done():
		t.Fatal("the broker still holds the connection")
	}
	for len(n.broker.Published) > 0 {
		if p := <-n.broker.Published; p.Will {
			t.Error("the will was published after a clean goodbye")
		}
	}
}

// TestStoppingIsSaidWhateverIsNotAcknowledged stops an agent whose samples
// are never acknowledged, and one whose goodbye is not: in both the broker
// must be left with a status that says offline.
func TestStoppingIsSaidWhateverIsNotAcknowledged(t *testing.T) {
	for name, mute := range map[string]func(coordtest.Publication) bool{
		"samples": func(p coordtest.Publication) bool { return p.Topic == wire.Topic(testNode, wire.ChannelMetrics) },
		"goodbye": func(p coordtest.Publication) bool { return strings.Contains(string(p.Payload), `"online":false`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetworkWith(t, coordtest.BrokerConfig{Mute: mute})
			n.config.PublishInterval = 4 * time.Minute // not during this test
			n.prepare = func(a *Agent) { a.recorder.record(wire.Sample{}) }
			_, stop := n.start()
			n.next(wire.ChannelInfo)
			stop()
			select {
			case <-n.broker.Gone:
			case <-n.ctx.Done():
				t.Fatal("the broker still holds the connection")
			}
			acknowledged := false
			for len(n.broker.Published) > 0 {
				p := <-n.broker.Published
				offline := p.Topic == wire.Topic(testNode, wire.ChannelStatus) && !decode[wire.Status](t, p.Payload).Online
				acknowledged = acknowledged || offline && (p.Will || !mute(p))
			}
			if !acknowledged {
				t.Error("the broker still takes this node for online")
			}
		})
	}
}
