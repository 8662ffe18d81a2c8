package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// TestTimeInTheBrokersQueueIsNotTheNodes has a node answer at once, each time
// into a broker whose coordinators do not read: they stand still, for too short a
// time to be an outage, or are gone, or the broker itself stands still. The answer
// is read when the challenge is long over, and the node is not blamed.
func TestTimeInTheBrokersQueueIsNotTheNodes(t *testing.T) {
	r := startRelay(t, "LUCID_POOT_CHALLENGE_VALIDITY=3s")
	r.startBroker()
	leads(r.coordinators)
	if err := r.coordinators[0].MakeAdminKey(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	node := r.node()
	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"the coordinators stand still", r.each(func(l *lab) { suspend(t, l.PID()) }), r.each(func(l *lab) { resume(t, l.PID()) })},
		{"the broker stands still", func() { suspend(t, r.mosquitto.PID()) }, func() { resume(t, r.mosquitto.PID()) }},
		{"the coordinators are gone", r.each(func(l *lab) { l.Kill() }), r.each((*lab).standBy)},
	} {
		node.wantValid() // it is well before
		asked := node.next()
		fault.begin()
		answered := make(chan error, 1)
		go func() { answered <- node.Answer(within(t, patience), asked) }()
		pass(t, 4*time.Second) // beyond deadline and validity
		fault.end()
		if err := <-answered; err != nil {
			t.Fatal(fault.name, err)
		}
		result, reason := r.coordinators[0].verdict(asked)
		t.Log(fault.name+":", result, reason)
		if result != "valid" && result != "void" {
			t.Errorf("%s: the answer is %s (%s)", fault.name, result, reason)
		}
	}
	node.wantValid()
	for what, query := range map[string]string{
		"verdicts against it": "SELECT count(*) FROM verdict WHERE result NOT IN ('valid', 'void')",
		"scores that are not whole": `SELECT count(*) FROM score WHERE (factors ->> 'availability')::bigint < 1000000000
			OR (factors ->> 'reputation')::bigint < 1000000000 OR (factors ->> 'timeliness')::bigint < 1000000000`,
	} {
		if n := r.coordinators[0].count(query); n != 0 {
			t.Errorf("%s: %d, want 0", what, n)
		}
	}
	if t.Failed() {
		r.coordinators[0].explainAbsence()
	}
}

// each does something with both coordinators.
func (r *relay) each(do func(*lab)) func() {
	return func() {
		for _, l := range r.coordinators {
			do(l)
		}
	}
}

// suspend returns once the process stands still.
func suspend(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := harness.Until(within(t, patience), "a process to stand still", func(context.Context) error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return unless(bytes.Contains(status, []byte("State:\tT")), "%v\n%s", err, status)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func resume(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// pass lets a fault last.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	<-within(t, d).Done()
}

// asked is an honest node that answers when the test says so.
type asked struct {
	*harness.Session
	relay      *relay
	challenges chan []byte
}

// node enrols one, which the broker is told of, and connects it.
func (r *relay) node() *asked {
	r.t.Helper()
	l := r.coordinators[0]
	n, err := l.EnrollNode(within(r.t, patience), "")
	if err != nil {
		r.t.Fatal(err)
	}
	r.configure()
	if err := r.mosquitto.Reload(); err != nil {
		r.t.Fatal(err)
	}
	a := &asked{relay: r, challenges: make(chan []byte, 100)}
	l.await(within(r.t, patience), "the broker to know the node", func(ctx context.Context) (err error) {
		a.Session, err = n.Connect(ctx)
		return err
	})
	r.t.Cleanup(a.Close)
	if err := a.Challenged(within(r.t, patience), func(challenge []byte) { a.challenges <- challenge }); err != nil {
		r.t.Fatal(err)
	}
	if err := a.Online(within(r.t, patience)); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// next is the next challenge.
func (a *asked) next() []byte {
	t := a.relay.t
	t.Helper()
	select {
	case challenge := <-a.challenges:
		return challenge
	case <-within(t, patience).Done():
		t.Fatal("no challenge came")
		return nil
	}
}

// wantValid answers challenges until one is valid: those that a fault of ours
// touches are void.
func (a *asked) wantValid() {
	t := a.relay.t
	t.Helper()
	for range 10 {
		challenge := a.next()
		if err := a.Answer(within(t, patience), challenge); err != nil {
			t.Fatal(err)
		}
		if result, _ := a.relay.coordinators[0].verdict(challenge); result == "valid" {
			return
		}
	}
	t.Fatal("no answer is valid")
}

// verdict waits for what becomes of a challenge.
func (l *lab) verdict(challenge []byte) (result, reason string) {
	l.t.Helper()
	var c wire.Challenge
	if err := json.Unmarshal(challenge, &c); err != nil {
		l.t.Fatal(err)
	}
	l.await(within(l.t, patience), "a verdict", func(ctx context.Context) error {
		conn, err := l.Database().Connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return conn.QueryRow(ctx, "SELECT result, reason FROM verdict WHERE challenge_id = $1::uuid", c.ChallengeID).Scan(&result, &reason)
	})
	return result, reason
}
