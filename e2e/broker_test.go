package e2e

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var (
	relayNodes  = flag.Int("relay-nodes", 30, "simulated nodes in TestExternalBroker")
	relayRounds = flag.Int("relay-rounds", 1, "how often it kills the coordinator that follows, and as often the one that leads")
)

// relay is a real Mosquitto with two coordinators behind it, on one database.
type relay struct {
	t            *testing.T
	postgres     *harness.Postgres
	mosquitto    *harness.Mosquitto
	coordinators [2]*lab
	dir          string // of the broker
	nodes, own   string // its addresses
}

func startRelay(t *testing.T, env ...string) *relay {
	t.Helper()
	if _, err := harness.FindMosquitto(); errors.Is(err, harness.ErrNoMosquitto) {
		t.Skip("NOT TESTED: ", err)
	}
	r := &relay{t: t, dir: dataDir(t)}
	data := dataDir(t)
	r.postgres = startPostgres(t, data)
	var err error
	for _, address := range []*string{&r.nodes, &r.own} {
		if *address, err = harness.FreeAddr(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range r.coordinators {
		r.coordinators[i] = r.coordinator(data, env)
	}
	return r
}

// coordinator starts one, which finds the broker as soon as it is there.
func (r *relay) coordinator(data string, env []string) *lab {
	r.t.Helper()
	c, err := harness.Start(harness.Options{
		Binaries: binaries, Data: data, Serve: r.postgres, MQTT: r.nodes,
		Args: []string{"--broker", "external", "--broker-url", "tcp://" + r.own},
		Env: append([]string{
			"LUCID_DATA_DIR=" + data, "LUCID_MQTT_BROKER=external", "LUCID_MQTT_BROKER_URL=tcp://" + r.own, "LUCID_MQTT_BROKER_PASSWORD=a password of the test",
			"LUCID_POOT_CALCULATION_INTERVAL=4s", "LUCID_POOT_CHALLENGE_DEADLINE=2s", "LUCID_POOT_DIFFICULTY=4",
			"LUCID_RATE_ANONYMOUS=0", "LUCID_EPOCH=2s", "LUCID_EPOCH_GRACE=0s",
		}, env...),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	l := &lab{Coordinator: c, t: r.t}
	r.t.Cleanup(l.finish)
	return l
}

// configure writes the broker's files, as an operator does after enrolments.
func (r *relay) configure() {
	r.t.Helper()
	if _, err := r.coordinators[0].Run(within(r.t, patience), "broker", "mosquitto-config", "--data", r.coordinators[0].Data, "--out", r.dir); err != nil {
		r.t.Fatal(err)
	}
}

// TestExternalBroker runs two coordinators behind a Mosquitto and kills the one
// that follows, then the one that leads, with no warning, while nodes send. Every
// sample that a node was told is stored is stored, once; both do their share;
// one of them leads at a time, and what only a leader does is done once.
func TestExternalBroker(t *testing.T) {
	r := startRelay(t)
	r.startBroker()
	leader, follower := leads(r.coordinators)
	if err := leader.MakeAdminKey(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	leader.createPool()
	f := leader.newFleet(fleet.Config{
		Nodes: *relayNodes, Duration: time.Hour, Seed: 3, SampleInterval: 100 * time.Millisecond, PublishInterval: 200 * time.Millisecond,
		Faults: fleet.Faults{Cuts: 1, Churn: 0.5, Duplicates: 0.05, Away: time.Second},
	})
	r.configure()
	if err := r.mosquitto.Reload(); err != nil {
		t.Fatal(err)
	}
	_, end := leader.live(f)
	for range *relayRounds {
		r.awaitShares()
		leader.awaitProofs(int64(*relayNodes))
		leader.awaitEpoch()
		r.kill(follower, leader, f)
		follower.standBy()

		r.awaitShares()
		leader.awaitEpoch()
		if status, _, err := follower.Get(within(t, patience), "/ready"); err == nil && status == http.StatusOK {
			t.Error("both coordinators say that they lead")
		}
		r.kill(leader, follower, f)
		leader.standBy()
		leader, follower = follower, leader
	}
	r.awaitShares()
	leader.awaitProofs(int64(*relayNodes))
	leader.awaitEpoch()
	end()

	report := leader.check(f)
	total := report.Total()
	t.Logf("two coordinators behind Mosquitto, each killed %d times: %d samples of %d nodes acknowledged, %d missing, %d stored twice; %d proofs: %s",
		*relayRounds, total.Acked, *relayNodes, total.Missing, total.Twice, report.Answers, report.Groups[0].Verdicts)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if total.Acked == 0 {
		t.Error("nothing was acknowledged")
	}
	leader.wantJobsDoneOnce()
	for _, l := range []*lab{follower, leader} {
		if err := l.Stop(within(t, patience)); err != nil {
			t.Error(err)
		}
	}
}

// kill ends one of the two, and waits until the other one leads, has emptied the
// dead one's session, and nodes are told again that their samples are stored.
func (r *relay) kill(dead, survivor *lab, f *fleet.Fleet) {
	r.t.Helper()
	dead.Kill()
	if err := survivor.AwaitReady(within(r.t, patience)); err != nil {
		r.t.Fatal(err)
	}
	survivor.await(within(r.t, patience), "the dead one's session to be emptied", func(context.Context) error {
		n := survivor.count("SELECT count(*) FROM broker_slot")
		return unless(n == 1, "%d slots", n)
	})
	survivor.awaitLoad(f, float64(*relayNodes)) // a tenth of what they send
}

// awaitProofs waits for so many more valid proofs.
func (l *lab) awaitProofs(more int64) {
	l.t.Helper()
	const valid = "SELECT count(*) FROM verdict WHERE result = 'valid'"
	from := l.count(valid)
	l.await(within(l.t, patience), "proofs behind the broker", func(context.Context) error {
		n := l.count(valid)
		return unless(n >= from+more, "%d valid, %d when the wait began", n, from)
	})
}

func (r *relay) startBroker() {
	r.t.Helper()
	// The command needs the schema and the keys, which the first to start made.
	for _, l := range r.coordinators {
		l.await(within(r.t, patience), "the API", func(ctx context.Context) error {
			status, _, err := l.Get(ctx, "/health")
			return unless(err == nil && status == 200, "status %d, %v", status, err)
		})
	}
	r.configure()
	var err error
	if r.mosquitto, err = harness.StartMosquitto(within(r.t, patience), r.dir, r.own); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := r.mosquitto.Stop(); err != nil {
			r.t.Error(err)
		}
	})
}

// awaitShares waits until each has stored samples since.
func (r *relay) awaitShares() {
	r.t.Helper()
	for _, l := range r.coordinators {
		from := -1.0
		l.await(within(r.t, patience), "its share of the samples", func(ctx context.Context) error {
			n, err := l.Metric(ctx, "lucid_ingest_samples_total")
			if err == nil && from < 0 {
				from = n
			}
			return unless(err == nil && n > from+100, "%v stored, %v when the wait began, %v", n, from, err)
		})
	}
}
