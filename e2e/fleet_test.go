package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var (
	fleetNodes  = flag.Int("fleet-nodes", 50, "simulated nodes in TestFleet")
	fleetRate   = flag.Float64("fleet-rate", 100, "samples a second that they send together")
	fleetRounds = flag.Int("fleet-rounds", 1, "how often TestFleet kills the database, and as often the coordinator")
)

// newFleet enrols simulated nodes at the lab's coordinator.
func (l *lab) newFleet(c fleet.Config) *fleet.Fleet {
	l.t.Helper()
	key, err := os.ReadFile(l.AdminKeyFile())
	if err != nil {
		l.t.Fatal(err)
	}
	c.API = fleet.API{URL: l.URL(), Key: strings.TrimSpace(string(key))}
	if c.File, err = l.NewToken(within(l.t, patience), ""); err != nil {
		l.t.Fatal(err)
	}
	f, err := fleet.New(c)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := f.Enrol(within(l.t, patience)); err != nil {
		l.t.Fatal(err)
	}
	return f
}

// live runs a fleet until end, or the test's.
func (l *lab) live(f *fleet.Fleet) (living context.Context, end func()) {
	living, stop := context.WithCancel(context.Background())
	l.t.Cleanup(stop)
	ended := make(chan error, 1)
	go func() { ended <- f.Run(living, nil) }()
	return living, func() {
		l.t.Helper()
		stop()
		if err := <-ended; err != nil {
			l.t.Fatal(err)
		}
	}
}

// check compares a fleet that has ended with the database.
func (l *lab) check(f *fleet.Fleet) *fleet.Report {
	l.t.Helper()
	url, err := l.Database().URL()
	if err != nil {
		l.t.Fatal(err)
	}
	report, err := f.Check(within(l.t, patience), url)
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

// TestFleet has simulated nodes suffer every fault and cheat in every way,
// while coordinator and database are killed, each once as many samples are
// acknowledged again as the fleet takes: every acknowledged sample is stored
// once, and no honest node is taken for a cheat.
func TestFleet(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--epoch", "10s", "--poot-interval", "2s"}, Env: []string{"LUCID_POOT_DIFFICULTY=8"}})
	cheats := map[fleet.Kind]int{
		fleet.Clone: 2, fleet.Relay: 2, fleet.Shared: 3, fleet.Spread: 3, fleet.Pad: 3, fleet.Skip: 3, fleet.Replay: 2, fleet.Alter: 2,
		fleet.Copy: 2, fleet.Clock: 2, fleet.Sybil: 4, fleet.Second: 1, fleet.Fall: 1, fleet.Flood: 1, fleet.Freeze: 1, fleet.Hide: 1,
		fleet.Twin: 1, fleet.Swift: 1, fleet.Restless: 1, fleet.Payee: 1,
	}
	interval := time.Duration(float64(*fleetNodes) / *fleetRate * float64(time.Second))
	f := l.newFleet(fleet.Config{
		Nodes: *fleetNodes, Duration: time.Hour, Seed: 7, Cheats: cheats, SampleInterval: interval, PublishInterval: 2 * interval,
		Faults: fleet.Faults{Churn: 1, Cuts: 2, Duplicates: 0.1, Delays: 0.1, ClockSkew: 0.3, Away: time.Second, Delay: 2 * time.Second},
	})
	_, end := l.live(f)
	carried := make([]load, 0, 2**fleetRounds)
	for range *fleetRounds {
		carried = append(carried, l.disturb(f)...)
	}
	l.awaitLoad(f, *fleetRate)
	l.command()
	l.awaitEverything(f)
	end()
	report := l.check(f)
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	total := report.Total()
	t.Logf("%d kills of the database and as many of the coordinator while %.0f samples/s are taken: %s; %d acknowledged in all, %d missing, %d stored twice",
		*fleetRounds, *fleetRate, sumUp(carried), total.Acked, total.Missing, total.Twice)
	if total.Acked == 0 || total.Letters == 0 || report.Failed == 0 {
		t.Errorf("%d acknowledged, %d refused for their time, %d connections ended by the other side: something was not tried",
			total.Acked, total.Letters, report.Failed)
	}
	for _, g := range report.Groups {
		switch {
		case g.Findings.Acked+g.Findings.Letters+g.Findings.Unsure == 0:
			t.Errorf("%s: no sample was acknowledged", g.Kind)
		case g.Kind == fleet.Alter && g.Verdicts["invalid"] == 0:
			t.Errorf("a running hash of other messages was taken: %s", g.Verdicts)
		}
	}
	l.tamper(f, total)
}

// awaitEverything waits until each fault has happened, a running hash of other
// messages was judged, and something of each kind was acknowledged.
func (l *lab) awaitEverything(f *fleet.Fleet) {
	l.t.Helper()
	l.await(within(l.t, patience), "every fault to have happened", func(context.Context) error {
		p := f.Progress()
		lies := l.count("SELECT count(*) FROM verdict JOIN node USING (node_no) WHERE result = 'invalid' AND node_id = ANY(string_to_array($1, ','))",
			strings.Join(f.NodeIDs(fleet.Alter), ","))
		pulses := f.Pulses()
		silent := make(map[fleet.Kind]bool)
		for _, pulse := range pulses {
			silent[pulse.Kind] = true
		}
		for _, pulse := range pulses {
			if !pulse.Acked.IsZero() {
				delete(silent, pulse.Kind)
			}
		}
		return unless(p.Cuts > 0 && p.Restarts > 0 && p.SentAgain > 0 && p.Delayed > 0 && p.Commands > 0 && p.Letters > 0 && p.Failed > 0 &&
			p.Answers > uint64(*fleetNodes) && lies > 0 && len(silent) == 0, "%+v, %d running hashes judged invalid, nothing acknowledged of %v", p, lies, silent)
	})
}

// disturb kills the database, then the coordinator, each under load, and tells
// what it was.
func (l *lab) disturb(f *fleet.Fleet) []load {
	l.t.Helper()
	before := l.awaitLoad(f, *fleetRate)
	l.crashDatabase()
	between := l.awaitLoad(f, *fleetRate)
	l.Kill()
	l.restart()
	if sum := l.count(ledgerSum); sum != 0 {
		l.t.Errorf("the ledger's sum is %d micro-USDT, want 0", sum)
	}
	return []load{before, between}
}

// command has an operator stop a node.
func (l *lab) command() {
	l.t.Helper()
	l.await(within(l.t, patience), "a node to be told to stop", func(ctx context.Context) error {
		var list struct {
			Nodes []struct {
				NodeID string `json:"node_id"`
			} `json:"nodes"`
		}
		if err := l.GetJSON(ctx, "/api/v1/nodes/?status=active&online=true&limit=1", &list); err != nil || len(list.Nodes) == 0 {
			return fmt.Errorf("no active node: %w", err)
		}
		status, body, err := l.Post(ctx, "/api/v1/nodes/"+list.Nodes[0].NodeID+"/stop", map[string]any{})
		return unless(err == nil && status == http.StatusAccepted, "status %d: %s %v", status, body, err)
	})
}

// tamper takes a sample away and stores another twice: the comparison must
// find exactly that.
func (l *lab) tamper(f *fleet.Fleet, before fleet.Findings) {
	l.t.Helper()
	for _, statement := range []string{
		"DELETE FROM sample WHERE (run_no, seq) = (SELECT run_no, min(seq) FROM sample GROUP BY run_no ORDER BY run_no LIMIT 1)",
		`INSERT INTO sample (at, seq, run_no, node_no) SELECT at + interval '1 ms', seq, run_no, node_no FROM sample
			WHERE (run_no, seq) = (SELECT run_no, max(seq) FROM sample GROUP BY run_no ORDER BY run_no DESC LIMIT 1)`,
	} {
		if err := l.Database().Exec(within(l.t, patience), statement); err != nil {
			l.t.Fatal(err)
		}
	}
	report := l.check(f)
	after := report.Total()
	if after.Missing != before.Missing+1 || after.Twice != before.Twice+1 || report.Err() == nil {
		l.t.Errorf("one sample taken away and one doubled: %+v, before %+v", after, before)
	}
}
