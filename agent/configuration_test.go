package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/link"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// configure sends a configuration as the coordinator does, retained.
func (n *network) configure(version uint64, sample, publish time.Duration) string {
	n.t.Helper()
	c := configuration(n.enrolment.Root("token").Derive(), version, sample, publish)
	n.broker.Send(wire.Topic(testNode, wire.ChannelConfig), encode(c), 1, true)
	return c.ConfigID
}

func configuration(under proof.Keys, version uint64, sample, publish time.Duration) *wire.Config {
	c := &wire.Config{
		V: 1, ConfigID: fmt.Sprintf("%032x", version), Version: version,
		IssuedMs: time.Now().UnixMilli(), ExpiresMs: time.Now().Add(time.Hour).UnixMilli(),
		SampleIntervalMs: sample.Milliseconds(), PublishIntervalMs: publish.Milliseconds(),
		Update: &wire.Update{Version: "1.3.0", Ring: "canary", Window: "02:00-04:00"},
	}
	proof.SignConfig(under.Command, testNode, c)
	return c
}

// await reads the status file until it is as wanted.
func (n *network) await(what string, wanted func(*Report) bool) *Report {
	n.t.Helper()
	for {
		if r, err := ReadReport(n.config.StatusFile); err == nil && wanted(r) {
			return r
		}
		select {
		case <-n.ctx.Done():
			n.t.Fatalf("the status file never shows %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAgentKeepsToTheCoordinatorsConfiguration(t *testing.T) {
	n := newNetwork(t, nil)
	n.config.SampleInterval, n.config.PublishInterval = time.Hour, time.Hour // it is the configuration that makes it speak
	_, stop := n.start()
	n.next(wire.ChannelInfo)
	n.wantDone(n.configure(1, time.Second, time.Second))
	m, err := wire.DecodeMetrics(n.next(wire.ChannelMetrics).Payload)
	if err != nil || m.Samples[0].UpdateAnnounced != "1.3.0" {
		t.Errorf("metrics tell of the update %q, %v", m.Samples[0].UpdateAnnounced, err)
	}
	r := n.await("the configuration", func(r *Report) bool { return r.Settings.Remote })
	if r.Settings != (Settings{"1s", "1s", 1, true}) || r.Update == nil || *r.Update != (wire.Update{Version: "1.3.0", Ring: "canary", Window: "02:00-04:00"}) {
		t.Errorf("status shows %+v, update %+v", r.Settings, r.Update)
	}
	stop()

	n.config.Version = "1.3.0" // as announced, after a restart
	n.start()
	r = n.await("the configuration after a restart", func(r *Report) bool { return !r.Stopped })
	if r.Settings != (Settings{"1s", "1s", 1, true}) || r.Update != nil {
		t.Errorf("after a restart status shows %+v, update %+v", r.Settings, r.Update)
	}
}

func TestAgentRefusesAnAbsurdConfiguration(t *testing.T) {
	n := newNetwork(t, nil)
	a, _ := n.start()
	n.next(wire.ChannelInfo)
	id := n.configure(1, time.Millisecond, 48*time.Hour)
	result := decode[wire.CommandResult](t, n.next(wire.ChannelCommandResult).Payload)
	if result.CommandID != id || result.Result != wire.CommandRefused ||
		!strings.Contains(result.Reason, "sample_interval: 1ms is below 1s") || !strings.Contains(result.Reason, "publish_interval") {
		t.Errorf("answers %+v", result)
	}
	if got := a.wantedIntervals(); got != (intervals{time.Second, time.Second}) {
		t.Errorf("keeps to %+v", got)
	}
}

// TestHostileMessagesChangeNothing: whatever a broker sends, the agent lives,
// stays as it is, and goes on.
func TestHostileMessagesChangeNothing(t *testing.T) {
	n := newNetwork(t, nil)
	a, _ := n.start()
	n.next(wire.ChannelInfo)
	huge := strings.Repeat("x", wire.MaxMessageBytes)
	for _, channel := range []wire.Channel{wire.ChannelConfig, wire.ChannelCommand, wire.ChannelChallenge, wire.ChannelVerdict, wire.ChannelMetricsAck} {
		for _, payload := range []string{"", "{", "null", "[]", `{"v":1}`, strings.Repeat("[", 10_000), `{"v":1,"x":"` + huge + `"}`, "\x00\xff"} {
			a.receive(link.Message{Channel: channel, Payload: []byte(payload), Received: time.Now()})
		}
	}
	n.wantDone(n.configure(1, time.Second, time.Second)) // it still listens
	if a.control.Stopped() {
		t.Error("it was stopped")
	}
	n.next(wire.ChannelMetrics)
}

func TestReloadFollowsIntervals(t *testing.T) {
	n := newNetwork(t, nil)
	told := make(chan string, 64)
	n.config.Notify = func(state string) {
		if !strings.HasPrefix(state, "WATCHDOG") {
			told <- state
		}
	}
	a, _ := n.start()
	want := func(states ...string) {
		t.Helper()
		for _, state := range states {
			if got := <-told; got != state {
				t.Errorf("the service manager is told %q, want %q", got, state)
			}
		}
	}
	want("READY=1")
	next := n.config
	next.SampleInterval, next.PublishInterval = 7*time.Second, 70*time.Second
	if err := a.Reload(next); err != nil {
		t.Fatal(err)
	}
	n.await("the new intervals", func(r *Report) bool { return r.Settings == (Settings{"7s", "1m10s", 0, false}) })
	next.SampleInterval = 0
	if err := a.Reload(next); err == nil || !strings.Contains(err.Error(), "sample_interval") {
		t.Errorf("an interval of 0 is taken: %v", err)
	}
	want("RELOADING=1", "READY=1")
}
