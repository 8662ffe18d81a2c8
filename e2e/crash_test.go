package e2e

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

var (
	rounds     = flag.Int("rounds", 3, "how often TestCrash kills the database, and as often the coordinator")
	publishers = flag.Int("publishers", 8, "how many nodes send in TestCrash")
)

// publisher sends messages one after another. What was acknowledged is never
// sent again; what was not is sent again byte for byte, as an agent does.
type publisher struct {
	node *harness.Node

	mu    sync.Mutex
	acked uint64 // 1..acked were acknowledged
	sent  uint64 // 1..sent left at least once
}

func (p *publisher) count() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

// run sends until ctx ends, over as many connections as it takes.
func (p *publisher) run(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	var pending harness.Message
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		p.session(ctx, &pending)
		pause.Reset(50 * time.Millisecond)
	}
}

// session sends over one connection until it breaks.
func (p *publisher) session(ctx context.Context, pending *harness.Message) {
	attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := p.node.Connect(attempt)
	if err != nil {
		return
	}
	defer s.Close()
	// A proof that cannot be sent because everything around was just killed is
	// no fault; one that was judged wrong would be, and stands in the database.
	if err := s.Prove(ctx, func(error) {}); err != nil {
		return
	}
	for ctx.Err() == nil {
		if pending.Bytes == nil {
			if *pending, err = harness.NewMessage(p.node.Run, p.count()+1, time.Now(), 1); err != nil {
				return
			}
		}
		p.mark(&p.sent, pending.Seq)
		patient, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := s.Send(patient, *pending)
		cancel()
		if err != nil {
			return
		}
		p.mark(&p.acked, pending.Seq)
		*pending = harness.Message{}
	}
}

func (p *publisher) mark(field *uint64, seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*field = seq
}

// TestCrash kills database and coordinator, each with no warning and several
// times, while nodes send. Afterwards every acknowledged sample is stored
// exactly once, and nothing is stored twice.
func TestCrash(t *testing.T) {
	l := start(t, harness.Options{
		Args: []string{"--epoch", "10s", "--poot-interval", "2s"},
		Env:  []string{"LUCID_POOT_DIFFICULTY=8"}, // what matters is the running hash in each, not its work
	})
	fleet, stop := l.publish()
	for range *rounds {
		l.awaitProgress(fleet)
		l.crashDatabase()
		l.awaitProgress(fleet)
		l.Kill()
		l.restart()
	}
	l.awaitProgress(fleet)
	stop()

	var acked, missing, twice int64
	for _, p := range fleet {
		m, w := l.checkStored(p)
		acked, missing, twice = acked+int64(p.acked), missing+m, twice+w
	}
	t.Logf("%d samples acknowledged by %d nodes over %d kills of the database and %d of the coordinator: %d missing, %d stored twice; %d valid proofs",
		acked, len(fleet), *rounds, *rounds, missing, twice, l.count("SELECT count(*) FROM verdict WHERE result = 'valid'"))
	// Proofs cover the running hash of what was acknowledged: a lost or doubled
	// message would make one of them wrong.
	if n := l.count("SELECT count(*) FROM verdict WHERE result = 'invalid'"); n != 0 {
		t.Errorf("%d honest proofs were judged invalid", n)
	}
	if sum := l.count(ledgerSum); sum != 0 {
		t.Errorf("postings sum to %d, want 0", sum)
	}
	l.stopCleanly()
}

// publish lets as many nodes send as the flags say, until stop or the end of the test.
func (l *lab) publish() (fleet []*publisher, stop func()) {
	fleet = make([]*publisher, *publishers)
	for i := range fleet {
		fleet[i] = &publisher{node: l.node()}
	}
	sending, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, p := range fleet {
		running.Go(func() { p.run(sending) })
	}
	stop = func() { cancel(); running.Wait() }
	l.t.Cleanup(stop)
	return fleet, stop
}

// crashDatabase kills the database with no warning.
func (l *lab) crashDatabase() {
	l.t.Helper()
	pid, err := l.Database().PID()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := harness.Crash(within(l.t, patience), pid); err != nil {
		l.t.Fatal(err)
	}
}

// awaitProgress waits until every publisher got acknowledgements that it did
// not have when the wait began: samples flow.
func (l *lab) awaitProgress(fleet []*publisher) {
	l.t.Helper()
	const enough = 20
	for _, p := range fleet {
		from := p.count()
		l.await(within(l.t, patience), "samples to flow", func(context.Context) error {
			return unless(p.count() >= from+enough, "%d acknowledged, %d when the wait began", p.count(), from)
		})
	}
}

// checkStored compares the table with what a publisher knows.
func (l *lab) checkStored(p *publisher) (missing, twice int64) {
	l.t.Helper()
	const where = " FROM sample JOIN node_run USING (run_no) WHERE run_id = $1::text::uuid"
	run := p.node.Run.String()
	missing = int64(p.acked) - l.count("SELECT count(DISTINCT seq)"+where+" AND seq <= $2", run, int64(p.acked))
	if missing != 0 {
		l.t.Errorf("%s: %d samples acknowledged, %d of them missing", p.node.ID, p.acked, missing)
	}
	if twice = l.count("SELECT count(*) - count(DISTINCT seq)"+where, run); twice != 0 {
		l.t.Errorf("%s: %d samples are stored twice", p.node.ID, twice)
	}
	if n := l.count("SELECT coalesce(max(seq), 0)"+where, run); uint64(n) > p.sent {
		l.t.Errorf("%s: sample %d is stored, but only %d were ever sent", p.node.ID, n, p.sent)
	}
	return missing, twice
}
