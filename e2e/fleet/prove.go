package fleet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// answer is a solved challenge on its way from the solver to the node.
type answer struct {
	session   *session
	canonical []byte
	challenge *proof.Challenge
	solutions []uint64
	notBefore time.Duration // since the challenge came
}

// challenged solves a challenge beside the node.
func (s *session) challenged(payload []byte) {
	n := s.node
	n.fleet.counts.challenges.Add(1)
	if n.stopped {
		return
	}
	var message wire.Challenge
	if json.Unmarshal(payload, &message) != nil {
		return
	}
	challenge, err := proof.DecodeChallenge(message.Bytes, n.keys.Challenge)
	if err != nil || challenge.NodeID != n.nodeID || challenge.KeyEpoch != n.keyEpoch {
		return
	}
	given := time.Duration(challenge.DeadlineMs-challenge.IssuedMs) * time.Millisecond
	if n.inCohort(given) && n.kind == Skip {
		return
	}
	a := answer{session: s, canonical: message.Bytes, challenge: challenge}
	if n.kind == Pad {
		a.notBefore = min(padTo, n.longest*3/5)
	}
	go n.solve(a, time.Now(), given)
}

// inCohort guesses by the time that is given: cohorts have less.
func (n *node) inCohort(given time.Duration) bool {
	n.longest = max(n.longest, given)
	return given < n.longest
}

// padTo is how long every answer of Pad takes, where a challenge leaves the time:
// always as long, whoever else was asked.
const padTo = 1500 * time.Millisecond

// solve takes its turn at the processor, then waits until a machine of the
// node's model would have been done.
func (n *node) solve(a answer, received time.Time, given time.Duration) {
	ctx, cancel := context.WithDeadline(context.Background(), received.Add(given))
	defer cancel()
	if !n.work(ctx, &a, received) || sleep(ctx, time.Until(received.Add(a.notBefore))) != nil {
		return
	}
	select {
	case n.answers <- a:
	case <-a.session.gone:
	}
}

// work finds the solutions in the time that the model takes; false when it ran
// out. Nodes that are one machine wait for each other.
func (n *node) work(ctx context.Context, a *answer, begun time.Time) (done bool) {
	if n.kind.oneMachine() {
		if !acquire(ctx, n.group.solver) {
			return false
		}
		defer func() { <-n.group.solver }()
		begun = time.Now()
	}
	var err error
	if a.solutions, err = n.fleet.search(ctx, a.challenge); err != nil {
		return false
	}
	return n.kind.anotherMachine() || sleep(ctx, time.Until(begun.Add(n.model.solving(a.solutions)))) == nil
}

// search is the real work.
func (f *Fleet) search(ctx context.Context, c *proof.Challenge) ([]uint64, error) {
	if !acquire(ctx, f.solvers) {
		return nil, ctx.Err()
	}
	defer func() { <-f.solvers }()
	began := time.Now()
	solutions, err := c.Solve(ctx)
	f.counts.solvingNs.Add(uint64(time.Since(began)))
	f.counts.hashes.Add(hashes(solutions))
	return solutions, err
}

func acquire(ctx context.Context, tokens chan struct{}) bool {
	select {
	case tokens <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// hashes is how many it took to find solutions.
func hashes(solutions []uint64) (n uint64) {
	for _, x := range solutions {
		n += x + 1
	}
	return n
}

// solving is how long a machine of the model takes.
func (m *model) solving(solutions []uint64) time.Duration {
	return time.Duration(float64(hashes(solutions)) / m.hashesPerSecond * float64(time.Second))
}

// respond answers by the connection that was asked.
func (s *session) respond(a answer) error {
	n := s.node
	if a.session != s {
		return nil // nobody asked on this one
	}
	text := n.responseTo(a)
	if n.kind == Replay {
		if n.firstAnswer == nil {
			n.firstAnswer = text
		}
		text = n.firstAnswer
	}
	n.lastAnswer = &a
	n.fleet.counts.answers.Add(1)
	return s.publish(wire.ChannelResponse, text, false)
}

// judged has Second answer once more what was judged, while the challenge is still
// valid.
func (s *session) judged(payload []byte) error {
	n := s.node
	var verdict wire.Verdict
	if n.kind != Second || n.lastAnswer == nil || json.Unmarshal(payload, &verdict) != nil ||
		verdict.ChallengeID != hex.EncodeToString(n.lastAnswer.challenge.ID[:]) {
		return nil
	}
	a := *n.lastAnswer
	n.lastAnswer = nil
	return s.publish(wire.ChannelResponse, n.responseTo(a), false)
}

func (n *node) responseTo(a answer) []byte {
	n.answered++
	bootID, sinceBoot := n.toldBoot()
	r := proof.Response{
		ChallengeID: a.challenge.ID, ChallengeHash: proof.HashChallenge(a.canonical), Solutions: a.solutions,
		BootID: bootID, BootTimeMs: uint64(sinceBoot.Milliseconds()),
		Run: n.run.id, Seq: n.acked, Chain: n.chain,
	}
	return encode(wire.Response{
		V: wire.ProtocolVersion, ChallengeID: hex.EncodeToString(a.challenge.ID[:]),
		Bytes: r.Encode(n.keys.Response, n.signing),
	})
}

// toldBoot is the boot that an answer names, and the time since.
func (n *node) toldBoot() (id [16]byte, since time.Duration) {
	id, since = n.boot.id, time.Since(n.boot.at)
	switch n.kind {
	case Second: // no two answers are alike, however soon one follows another
		since += time.Duration(n.answered) * time.Millisecond
	case Clock:
		switch n.answered % 3 {
		case 1:
			since /= 2 // goes back within the boot
		case 2:
			id[0] ^= 1 // another boot, and the next answer is of this one again
		}
	}
	return id, since
}

// obey does what a genuine command says and answers it.
func (s *session) obey(payload []byte) error {
	n := s.node
	command, err := wire.DecodeCommand(payload)
	if err != nil {
		return nil // no command, so there is nothing to answer
	}
	result := wire.CommandResult{V: wire.ProtocolVersion, CommandID: command.CommandID, Result: wire.CommandDone}
	before := n.stopped
	switch {
	case !proof.VerifyCommand(n.keys.Command, n.nodeID, command):
		result.Result, result.Reason = wire.CommandRefused, "its MAC is not the coordinator's"
	case command.Version <= n.version:
		result.Result, result.Reason = wire.CommandRefused, "an older command"
	case command.Kind == wire.CommandRotateKey:
		result.Result, result.Reason = wire.CommandRefused, "a simulated machine keeps its key"
	default:
		n.version = command.Version
		n.stopped = command.Kind == wire.CommandStop || n.stopped && command.Kind != wire.CommandStart
		n.fleet.counts.commands.Add(1)
	}
	if err := s.publish(wire.ChannelCommandResult, encode(result), false); err != nil || before == n.stopped {
		return err
	}
	return s.publish(wire.ChannelStatus, n.status(true), true)
}
