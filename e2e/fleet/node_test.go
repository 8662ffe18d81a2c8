package fleet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestAssign(t *testing.T) {
	all := assign(10, map[Kind]int{Clone: 2, Sybil: 3})
	count := map[Kind]int{}
	for _, k := range all {
		count[k]++
	}
	if all[0] != Honest {
		t.Errorf("%v: whose metrics are copied is not the first", all)
	}
	if len(all) != 10 || count[Clone] != 2 || count[Sybil] != 3 || count[Honest] != 5 {
		t.Errorf("%v", all)
	}
	if all := assign(3, nil); !slices.Equal(all, []Kind{Honest, Honest, Honest}) {
		t.Errorf("%v", all)
	}
	if all := assign(2, map[Kind]int{Relay: 2}); !slices.Equal(all, []Kind{Relay, Relay}) {
		t.Errorf("%v", all)
	}
}

func TestAgenda(t *testing.T) {
	var a agenda
	if _, at := a.next(); !at.IsZero() {
		t.Errorf("an empty agenda has something to do at %v", at)
	}
	now := time.Unix(1000, 0)
	a[taskPing], a[taskCut] = now.Add(2), now.Add(1)
	if task, at := a.next(); task != taskCut || !at.Equal(now.Add(1)) {
		t.Errorf("task %d at %v", task, at)
	}
	dice := rand.New(rand.NewPCG(1, 1))
	if at := following(now, 0, dice); !at.IsZero() {
		t.Errorf("what never happens happens at %v", at)
	}
	var sum time.Duration
	for range 10_000 {
		sum += following(now, 2, dice).Sub(now)
	}
	if mean := sum / 10_000; mean < 29*time.Second || mean > 31*time.Second {
		t.Errorf("twice a minute is every %v", mean)
	}
}

// A message is expected where the coordinator's rule puts it, and neither
// here nor there at the border.
func TestAcknowledge(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		ahead                  time.Duration
		acked, letters, unsure uint64
	}{
		"in time":    {0, 3, 0, 0},
		"old":        {-time.Hour, 3, 0, 0},
		"far ahead":  {time.Hour, 0, 3, 0},
		"the border": {maxAhead, 0, 0, 3},
	} {
		r := new(run)
		r.acknowledge(&message{first: 1, last: 3, newest: now.Add(c.ahead)}, now, now.Add(time.Second))
		if r.acked.count() != c.acked || r.letters.count() != c.letters || r.unsure.count() != c.unsure {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestJudge(t *testing.T) {
	r := run{sent: 10, acked: spans{{1, 8}}, letters: spans{{9, 9}}}
	for name, c := range map[string]struct {
		stored stored
		want   Findings
	}{
		"all well":          {stored{spans{{1, 8}}, 8}, Findings{Acked: 8, Stored: 8, Letters: 1}},
		"one is missing":    {stored{spans{{1, 4}, {6, 8}}, 7}, Findings{Acked: 8, Stored: 7, Letters: 1, Missing: 1}},
		"nothing is stored": {stored{}, Findings{Acked: 8, Letters: 1, Missing: 8}},
		"one twice":         {stored{spans{{1, 8}}, 9}, Findings{Acked: 8, Stored: 8, Letters: 1, Twice: 1}},
		"no acknowledgement": {stored{spans{{1, 8}, {10, 10}}, 9},
			Findings{Acked: 8, Stored: 9, Letters: 1, Unacked: 1}},
		"a letter is stored": {stored{spans{{1, 9}}, 9}, Findings{Acked: 8, Stored: 9, Letters: 1, LettersTaken: 1}},
		"never sent":         {stored{spans{{1, 8}, {11, 12}}, 10}, Findings{Acked: 8, Stored: 10, Letters: 1, NeverSent: 2}},
	} {
		if got := r.judge(c.stored); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// What does not fit into one message becomes two, and no number is left out.
func TestLargeMessagesAreSplit(t *testing.T) {
	f, err := New(Config{Nodes: 1, Duration: time.Second, SampleInterval: time.Second, PublishInterval: 256 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	f.began = time.Now()
	f.series = f.began
	f.machines = []*machine{{kind: Honest, nodeID: "node_a", model: models[0]}}
	n := f.populate()[0]
	n.compose(256)
	if len(n.queue) != 2 || n.queue[0].first != 1 || n.queue[1].first != n.queue[0].last+1 || n.queue[1].last != 256 {
		t.Errorf("%d messages", len(n.queue))
	}
	for _, m := range n.queue {
		if decoded, err := wire.DecodeMetrics(m.payload); err != nil || decoded.FirstSeq() != m.first || decoded.LastSeq() != m.last {
			t.Errorf("message %d..%d: %v", m.first, m.last, err)
		}
	}
}

// Nodes that come after an outage send all that they sampled in it, in messages
// that a coordinator takes.
func TestBacklogIsSent(t *testing.T) {
	f, err := New(Config{Nodes: 1, Duration: time.Second, SampleInterval: time.Second, PublishInterval: time.Second, Backlog: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f.machines = []*machine{{kind: Honest, nodeID: "node_a", model: models[0]}}
	f.began = time.Now()
	f.series = f.began.Add(-f.config.Backlog)
	n := f.populate()[0]
	n.compose(f.tickAt(f.began))
	var next uint64 = 1
	for _, m := range n.queue {
		if decoded, err := wire.DecodeMetrics(m.payload); err != nil || decoded.FirstSeq() != next {
			t.Fatalf("message %d..%d, want from %d on: %v", m.first, m.last, next, err)
		}
		next = m.last + 1
	}
	if next != 601 {
		t.Errorf("%d samples of ten minutes", next-1)
	}
}

// Three answers of a clock cheat: time goes back within the boot, another boot
// comes, and the first is back.
func TestClockCheatLiesOfItsBoot(t *testing.T) {
	n := &node{machine: &machine{kind: Clock}, run: new(run), boot: newBoot(time.Now().Add(-time.Hour))}
	var told [4]proof.Response
	for i := range told {
		n.answered++
		id, since := n.toldBoot()
		told[i] = proof.Response{BootID: id, BootTimeMs: uint64(since.Milliseconds())}
	}
	if told[0].BootID == told[1].BootID || told[1].BootID == told[2].BootID || told[2].BootID != told[0].BootID ||
		told[3].BootID != told[2].BootID || told[3].BootTimeMs >= told[2].BootTimeMs {
		t.Errorf("%+v", told)
	}
}

// A node guesses a cohort by its time, once it knows how much it has otherwise.
func TestSkippedCohorts(t *testing.T) {
	n := new(node)
	for i, c := range []struct {
		given time.Duration
		want  bool
	}{{2 * time.Second, false}, {2500 * time.Millisecond, false}, {2 * time.Second, true}, {2500 * time.Millisecond, false}} {
		if got := n.inCohort(c.given); got != c.want {
			t.Errorf("challenge %d of %s: a cohort %v", i, c.given, got)
		}
	}
}

// Sybils go offline at the same moments, one after another; honest nodes at their
// own.
func TestSybilsLeaveInStep(t *testing.T) {
	f, err := New(Config{Nodes: 4, Duration: time.Second, Faults: Faults{Cuts: 4}})
	if err != nil {
		t.Fatal(err)
	}
	f.began = time.Now()
	f.machines = []*machine{{kind: Sybil}, {kind: Sybil}, {kind: Honest}, {kind: Honest}}
	all := f.populate()
	for range 5 {
		if a, b := all[0].agenda[taskCut], all[1].agenda[taskCut]; !a.Equal(b) {
			t.Errorf("one Sybil leaves at %s, another at %s", a, b)
		}
		if a, b := all[2].agenda[taskCut], all[3].agenda[taskCut]; a.Equal(b) {
			t.Errorf("two honest nodes leave at %s", a)
		}
		for _, n := range all {
			n.agenda[taskCut] = following(n.agenda[taskCut], n.cuts, n.fate)
		}
	}
}

// The identities of one machine are spread, however they stand among the others.
func TestPoolsInTurns(t *testing.T) {
	kinds := assign(6, map[Kind]int{Relay: 1, Spread: 2})
	pools := takeTurns(kinds, []string{"a", "b"})
	of := map[Kind][]string{}
	for i, k := range kinds {
		of[k] = append(of[k], pools[i])
	}
	if !slices.Equal(of[Spread], []string{"a", "b"}) || !slices.Equal(of[Honest], []string{"a", "b", "a"}) {
		t.Errorf("%v", of)
	}
	if none := takeTurns(kinds, nil); !slices.Equal(none, make([]string, 6)) {
		t.Errorf("no pool named: %q", none)
	}
}

// An honest node that is held makes the fleet fail; a cheat does not.
func TestHonestHoldIsAnError(t *testing.T) {
	r := new(Report)
	r.group(Clone).Held, r.group(Clone).Findings.Acked = 1, 1
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	r.group(Honest).Held = 1
	if r.Err() == nil {
		t.Error("an honest node is held, and all is well")
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Nodes: 5, Duration: time.Second}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no nodes":         func(c *Config) { c.Nodes = 0 },
		"no duration":      func(c *Config) { c.Duration = 0 },
		"unknown cheat":    func(c *Config) { c.Cheats = map[Kind]int{"luck": 1} },
		"honest cheat":     func(c *Config) { c.Cheats = map[Kind]int{Honest: 1} },
		"too many cheats":  func(c *Config) { c.Cheats = map[Kind]int{Clone: 3, Alter: 3} },
		"negative cheats":  func(c *Config) { c.Cheats = map[Kind]int{Clone: -1} },
		"share above one":  func(c *Config) { c.Faults.Delays = 1.5 },
		"negative rate":    func(c *Config) { c.Faults.Cuts = -1 },
		"crowded message":  func(c *Config) { c.SampleInterval, c.PublishInterval = time.Second, time.Hour },
		"unknown model":    func(c *Config) { c.Model = "Raspberry Pi 6" },
		"negative backlog": func(c *Config) { c.Backlog = -time.Second },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
